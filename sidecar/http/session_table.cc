// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/session_table.h"

#include <algorithm>
#include <utility>

#include "sidecar/http/session_table_impl.h"

namespace podtap {
namespace {

constexpr Direction kBoth[] = {Direction::kIngress, Direction::kEgress};

}  // namespace

// ---- routing

SessionTable::Impl::Entry* SessionTable::Impl::Find(ConnectionId id) {
  if (current_ != nullptr && current_->connection.id == id) return current_;
  const auto found = table_.find(id);
  return found == table_.end() ? nullptr : &found->second;
}

void SessionTable::Impl::OnStreamEvent(const StreamEvent& event) {
  if (const auto* opened = std::get_if<Opened>(&event.what)) return Open(event, *opened);
  Entry* entry = Find(event.connection);
  if (entry == nullptr) return;
  current_ = entry;
  if (const auto* identified = std::get_if<Identified>(&event.what)) return Identify(*entry, identified->connection);
  Deliver(*entry, event);
  if (!std::holds_alternative<Closed>(event.what)) return;
  current_ = nullptr;
  table_.erase(event.connection);
  budget_.Release(kEntryCost);
}

void SessionTable::Impl::Open(const StreamEvent& event, const Opened& opened) {
  const auto [at, added] = table_.try_emplace(event.connection);
  Entry& entry = at->second;
  current_ = &entry;
  if (!added) return;
  budget_.Charge(kEntryCost);
  entry.connection = opened.connection;
  entry.joined_late = !opened.from_first_byte;
  if (entry.joined_late) entry.joined_as = ++joined_late_;
  if (!Wants(mode_, entry.connection.role)) return Mute(entry);
  StartGuessing(entry, entry.joined_late);
}

void SessionTable::Impl::Identify(Entry& entry, const Connection& connection) {
  const Role decided = entry.connection.role;  // by the first request line, where nothing better is known
  entry.connection = connection;
  if (connection.role == Role::kUnknown) entry.connection.role = decided;
  if (!entry.other_role && !Wants(mode_, entry.connection.role)) Mute(entry);
}

void SessionTable::Impl::Deliver(Entry& entry, const StreamEvent& event) {
  if (entry.session != nullptr) {
    if (entry.session->OnEvent(event) == Session::Next::kHandOver) HandOver(entry);
  } else if (entry.guess != nullptr) {
    OnUnknown(entry, event);
  }
}

void SessionTable::Impl::Replay(Entry& entry, Direction direction, const Session::Rest& rest) {
  if (rest.bytes.empty()) return;
  const std::span data(reinterpret_cast<const std::byte*>(rest.bytes.data()), rest.bytes.size());
  Deliver(entry, {.connection = entry.connection.id, .at = rest.at, .what = Bytes{direction, data, rest.position}});
}

void SessionTable::Impl::WantBoth(Entry& entry, Interest::Want want) {
  for (const Direction direction : kBoth) {
    Interest::Want& wanted = entry.wanted[IndexOf(direction)];
    if (wanted == want) continue;
    wanted = want;
    interests_.OnInterest({.connection = entry.connection.id, .direction = direction, .want = want});
  }
}

// ---- mode

void SessionTable::Impl::Mute(Entry& entry) {
  entry.other_role = true;
  entry.session.reset();
  entry.guess.reset();
  WantBoth(entry, Interest::Want::kNothing);
}

void SessionTable::Impl::SetMode(Mode mode) {
  mode_ = mode;
  for (auto& [id, entry] : table_) {
    const bool wanted = Wants(mode, entry.connection.role);
    if (wanted != entry.other_role) continue;
    if (!wanted) {
      current_ = &entry;
      if (entry.session != nullptr && entry.session->oldest()) counters_.Add(Counter::kEventsOtherRole);
      Mute(entry);
      continue;
    }
    entry.other_role = false;
    entry.joined_late = true;
    if (!entry.never_again) StartGuessing(entry, true);
  }
}

// ---- out

void SessionTable::Impl::Emit(std::shared_ptr<HttpEvent> event) {
  Entry& entry = *current_;
  event->exchange = ++entry.exchanges;
  event->joined_as = entry.joined_as;
  if (filter_->Ignores(*event)) return counters_.Add(Counter::kEventsIgnoredUserAgent);
  if (!policy_->Admits(*event)) return;
  event->wall = clock_.At(event->at());
  event->container_id = filter_->ContainerOfCgroup(event->connection.cgroup_id, event->at());
  policy_->ApplyToBodies(*event);
  filter_->Redact(*event, policy_->mask());
  policy_->ApplyToUrls(*event);
  counters_.Add(Counter::kEventsEmitted);
  if (!event->complete) counters_.Add(Counter::kEventsIncomplete);
  events_.OnHttpEvent(std::move(event));
}

// ---- time and memory

void SessionTable::Impl::Tick(Timestamp now) {
  for (auto& [id, entry] : table_) {
    if (entry.session == nullptr) continue;
    current_ = &entry;
    entry.session->OnTick(now);
  }
}

std::vector<SessionTable::Impl::Entry*> SessionTable::Impl::ByAge() {
  std::vector<std::pair<Timestamp, Entry*>> aged;
  for (auto& [id, entry] : table_)
    if (entry.session != nullptr && entry.session->oldest()) aged.emplace_back(entry.session->oldest(), &entry);
  std::sort(aged.begin(), aged.end());
  std::vector<Entry*> entries;
  entries.reserve(aged.size());
  for (const auto& [at, entry] : aged) entries.push_back(entry);
  return entries;
}

void SessionTable::Impl::RelieveMemory() {
  // A search that could not help is not repeated for every segment.
  if (!budget_.over() || (hopeless_at_ != 0 && budget_.used() < hopeless_at_)) return;
  // A little more than needed, or the next segment would start it all again.
  const size_t target = budget_.limit() - budget_.limit() / 16;
  const std::vector<Entry*> entries = ByAge();
  for (Entry* entry : entries) {
    if (budget_.used() <= target) break;
    current_ = entry;
    entry->session->CutBodies();
  }
  // What sessions keep between exchanges costs none of them.
  for (auto& [id, entry] : table_) {
    if (budget_.used() <= target) break;
    current_ = &entry;
    if (entry.session != nullptr && !entry.session->oldest()) entry.session->Abandon(Tag::kForgotten);
  }
  for (Entry* entry : entries) {
    if (budget_.used() <= target) break;
    current_ = entry;
    entry->session->Abandon(Tag::kForgotten);
  }
  for (auto& [id, entry] : table_)
    if (budget_.over() && entry.guess != nullptr) entry.guess->Forget();
  hopeless_at_ = budget_.over() ? budget_.used() + budget_.limit() / 64 : 0;
}

// ---- the door

SessionTable::SessionTable(Options options, MemoryBudget& budget, Counters& counters, HttpEventHandler& events,
                           InterestHandler& interests)
    : impl_(std::make_unique<Impl>(std::move(options), budget, counters, events, interests)) {}
SessionTable::~SessionTable() = default;

void SessionTable::OnStreamEvent(const StreamEvent& event) { impl_->OnStreamEvent(event); }
void SessionTable::Tick(Timestamp now) { impl_->Tick(now); }
void SessionTable::RelieveMemory() { impl_->RelieveMemory(); }
void SessionTable::SetMode(Mode mode) { impl_->SetMode(mode); }
void SessionTable::SetPolicy(std::vector<std::string> ignore_user_agents, std::vector<std::string> redact_headers,
                             PolicySettings policy) {
  impl_->SetPolicy(std::move(ignore_user_agents), std::move(redact_headers), std::move(policy));
}
void SessionTable::SetWallClock(WallClock clock) { impl_->SetWallClock(clock); }
size_t SessionTable::session_count() const { return impl_->session_count(); }

}  // namespace podtap
