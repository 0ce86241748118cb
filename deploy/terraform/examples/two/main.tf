# A root module with a state backend, and two Duo accounts in one project. For one
# account leave for_each out.
#
#   terraform init -backend-config=bucket=my-terraform-state && terraform apply

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "< 8"
    }
  }

  backend "gcs" {
    prefix = "duo-collector"
  }
}

variable "project" {
  description = "Id of the Google Cloud project."
  type        = string
}

variable "accounts" {
  description = "Duo's accounts by the prefix of what is made for each, see name in the module."
  type        = map(object({ ikey = string, api_host = string }))
  default = {
    duo-emea = { ikey = "DIXXXXXXXXXXXXXXXXXX", api_host = "api-12345678.duosecurity.com" }
    duo-apac = { ikey = "DIYYYYYYYYYYYYYYYYYY", api_host = "api-87654321.duosecurity.com" }
  }
}

module "duo" {
  source   = "../.." # or github.com/…//deploy/terraform?ref=…
  for_each = var.accounts

  project      = var.project
  name         = each.key
  duo_ikey     = each.value.ikey
  duo_api_host = each.value.api_host
  logs         = ["all"]
}

output "build" {
  description = "Builds and deploys each service, from the repository's root."
  value       = { for name, duo in module.duo : name => duo.build }
}

output "feeds" {
  description = "What the form of each SecOps feed asks for."
  value       = { for name, duo in module.duo : name => duo.feeds }
}
