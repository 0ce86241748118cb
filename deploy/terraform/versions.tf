# No provider block: a module that has one can't be used twice, or with for_each.
# Each resource names its project and its region.
terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source = "hashicorp/google"
      # google_chronicle_feed, which feed.tf names, came with 7.46.
      version = ">= 6.50, < 8"
    }
  }
}
