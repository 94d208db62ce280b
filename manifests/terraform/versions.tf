# SPDX-License-Identifier: Apache-2.0
terraform {
  required_version = ">= 1.3"
  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = ">= 2.9, < 4.0"
    }
  }
}
