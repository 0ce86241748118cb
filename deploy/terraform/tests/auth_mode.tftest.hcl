# Who checks id tokens. Terraform does not see which revisions have traffic or a
# tag, so it never switches Cloud Run's invoker check off: a build does. The runs
# of a file share their state.

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
    invoker_iam_disabled = true # as a build leaves it
  }
}

run "verify" {
  assert {
    condition     = google_cloud_run_v2_service.this.invoker_iam_disabled && local.environment.AUTH_MODE == "verify"
    error_message = "Terraform has switched the check on: every push would be refused."
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
