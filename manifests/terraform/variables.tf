# SPDX-License-Identifier: Apache-2.0

variable "release_name" {
  description = "Name of the Helm release."
  type        = string
  default     = "podtap"
}

variable "namespace" {
  description = "Namespace of the webhook and the collector."
  type        = string
  default     = "podtap"
}

variable "create_namespace" {
  description = "Create the namespace."
  type        = bool
  default     = true
}

variable "chart" {
  description = "Path or OCI address of the chart; null: the chart beside this module."
  type        = string
  default     = null
}

variable "chart_version" {
  description = "Version of the chart where it is not a path."
  type        = string
  default     = null
}

variable "timeout" {
  description = "Seconds to wait for the release."
  type        = number
  default     = 300
}

variable "token" {
  description = "Access token that the collector shows to the endpoint; kept in a Secret of the namespace."
  type        = string
  default     = ""
  sensitive   = true
}

variable "endpoint" {
  description = "Where the collector sends exchanges (OTLP over HTTP); empty: to its own log only."
  type        = string
  default     = ""
}

variable "environment" {
  description = "deployment.environment.name of all exchanges."
  type        = string
  default     = ""
}

variable "revision" {
  description = "The revision that this release serves."
  type        = string
  default     = "default"
}

variable "webhook_image" {
  description = "Image of the webhook."
  type        = object({ repository = string, tag = optional(string, ""), digest = optional(string, "") })
  default     = { repository = "podtap-webhook" }
}

variable "sidecar_image" {
  description = "Image of the sidecar, pullable in every namespace without a pull secret."
  type        = object({ repository = string, tag = optional(string, ""), digest = optional(string, "") })
  default     = { repository = "podtap-sidecar" }
}

variable "daemon_set_mirror_all_namespaces" {
  description = "Capture every pod that nobody has decided about."
  type        = bool
  default     = false
}

variable "ebpf_capture_enabled" {
  description = "false: sidecars start with mode off."
  type        = bool
  default     = true
}

variable "ebpf_run_as_privileged" {
  description = "Run the sidecar privileged; false: with the fewest capabilities that work."
  type        = bool
  default     = true
}

variable "ebpf_allowed_capabilities" {
  description = "The capabilities without privilege; empty: the fewest that the oldest kernel needs."
  type        = list(string)
  default     = []
}

variable "ebpf_log_level" {
  description = "What sidecars log: error, warning, info, debug."
  type        = string
  default     = "info"
}

variable "ebpf_se_linux_options_enabled" {
  description = "Set the SELinux options for the sidecar."
  type        = bool
  default     = false
}

variable "ebpf_se_linux_options_user" {
  description = "SELinux user."
  type        = string
  default     = ""
}

variable "ebpf_se_linux_options_role" {
  description = "SELinux role."
  type        = string
  default     = ""
}

variable "ebpf_se_linux_options_type" {
  description = "SELinux type."
  type        = string
  default     = "spc_t"
}

variable "ebpf_max_active_ret_probe" {
  description = "Known from the Traceable module and without effect: no return probes are used."
  type        = number
  default     = 0
}

variable "max_body_size" {
  description = "Bytes of each body that are kept."
  type        = number
  default     = 131072
}

variable "injector_failure_policy" {
  description = "Ignore or Fail."
  type        = string
  default     = "Ignore"

  validation {
    condition     = contains(["Ignore", "Fail"], var.injector_failure_policy)
    error_message = "injector_failure_policy is Ignore or Fail."
  }
}

variable "sidecar_metrics_port" {
  description = "A port of each captured pod where its sidecar serves metrics; 0: none."
  type        = number
  default     = 0
}

variable "collector_enabled" {
  description = "Install an OpenTelemetry Collector that sidecars send to."
  type        = bool
  default     = true
}

variable "guard_enabled" {
  description = "From API server 1.30: refuse exec, attach, ephemeral containers and image changes for the container podtap."
  type        = bool
  default     = true
}

variable "values" {
  description = "Further values of the chart, as YAML; later ones win, also over the variables above."
  type        = list(string)
  default     = []
}
