# SPDX-License-Identifier: Apache-2.0
output "namespace" {
  description = "Namespace of the release."
  value       = helm_release.podtap.namespace
}

output "revision" {
  description = "The revision that it serves: the value of the label mirror.traceable.ai/revision."
  value       = var.revision
}

output "app_version" {
  description = "Version of podtap that the chart installs by default."
  value       = try(helm_release.podtap.metadata[0].app_version, helm_release.podtap.metadata.app_version, "")
}
