# The check is on, as Cloud Run makes a service, and AUTH_MODE changes to and fro.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project      = "demo-project"
  duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
  duo_api_host = "api-12345678.duosecurity.com"
}

override_resource {
  target = google_cloud_run_v2_service.this
  values = {
    invoker_iam_disabled = false
  }
}

run "cloudrun_iam" {
  variables {
    auth_mode = "cloudrun-iam"
  }
  assert {
    condition     = !google_cloud_run_v2_service.this.invoker_iam_disabled
    error_message = "The service would trust id tokens that nobody has checked."
  }
}

run "verify_keeps_the_check" {
  assert {
    condition     = !google_cloud_run_v2_service.this.invoker_iam_disabled && local.environment.AUTH_MODE == "verify"
    error_message = "The check is off while an older revision may rely on it."
  }
}
