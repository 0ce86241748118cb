# Changing who checks id tokens, on a service that is there. The runs of a file
# share their state.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project      = "demo-project"
  duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
  duo_api_host = "api-12345678.duosecurity.com"
}

run "verify" {
  assert {
    condition     = google_cloud_run_v2_service.this.invoker_iam_disabled
    error_message = "In verify Cloud Run's own check would take the signatures off."
  }
}

# No revision that trusts Cloud Run may come up while nobody checks there. The
# plan already says so.
run "cloudrun_iam_unchecked" {
  command = plan
  variables {
    auth_mode = "cloudrun-iam"
  }
  expect_failures = [google_cloud_run_v2_service.this]
}
