// SPDX-License-Identifier: Apache-2.0
// Asio's TLS streams, compiled once; in a file of their own, so that programs without TLS are not linked with OpenSSL.
#include <boost/asio/ssl/impl/src.hpp>
