# What a build leaves in the state of the module: an image of its own, and the
# mounts of secrets, given by their directories.

variable "mounts" {
  description = "Secrets by where they are mounted."
  type        = map(string)
}

resource "google_cloud_run_v2_service" "this" {
  project  = "demo-project"
  name     = "duo-telephony-collector"
  location = "us-central1"

  template {
    containers {
      image = "us-central1-docker.pkg.dev/demo-project/duo-telephony/server@sha256:0"

      dynamic "volume_mounts" {
        for_each = var.mounts
        content {
          name       = volume_mounts.value
          mount_path = volume_mounts.key
        }
      }
    }

    dynamic "volumes" {
      for_each = var.mounts
      content {
        name = volumes.value
        secret {
          secret = volumes.value
          items {
            path    = "file"
            version = "latest"
          }
        }
      }
    }
  }
}
