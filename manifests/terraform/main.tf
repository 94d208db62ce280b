# SPDX-License-Identifier: Apache-2.0
locals {
  values = {
    environment                  = var.environment
    endpoint                     = var.endpoint
    revision                     = var.revision
    daemonSetMirrorAllNamespaces = var.daemon_set_mirror_all_namespaces
    ebpfCaptureEnabled           = var.ebpf_capture_enabled
    ebpfRunAsPrivileged          = var.ebpf_run_as_privileged
    ebpfAllowedCapabilities      = var.ebpf_allowed_capabilities
    ebpfLogLevel                 = var.ebpf_log_level
    ebpfSELinuxOptions = {
      Enabled = var.ebpf_se_linux_options_enabled
      User    = var.ebpf_se_linux_options_user
      Role    = var.ebpf_se_linux_options_role
      Type    = var.ebpf_se_linux_options_type
    }
    maxActiveRetProbe = var.ebpf_max_active_ret_probe
    maxBodySize       = var.max_body_size
    injector          = { failurePolicy = var.injector_failure_policy }
    webhook           = { image = var.webhook_image }
    sidecar = {
      image       = var.sidecar_image
      metricsPort = var.sidecar_metrics_port
    }
    collector = { enabled = var.collector_enabled }
    guard     = { enabled = var.guard_enabled }
  }
}

resource "helm_release" "podtap" {
  name             = var.release_name
  namespace        = var.namespace
  create_namespace = var.create_namespace
  chart            = coalesce(var.chart, "${path.module}/../helm/podtap")
  version          = var.chart_version
  timeout          = var.timeout
  values = concat(
    [yamlencode(local.values)],
    var.token == "" ? [] : [sensitive(yamlencode({ token = var.token }))],
    var.values,
  )
}
