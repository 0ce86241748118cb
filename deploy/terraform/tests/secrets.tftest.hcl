# An accounts file and a key for phone numbers: in a new project, on a service that
# runs, and back.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project = "demo-project"
  logs    = ["telephony", "authentication"]
}

run "none" {
  variables {
    duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
    duo_api_host = "api-12345678.duosecurity.com"
  }
  assert {
    condition     = length(google_secret_manager_secret.more) == 0 && length(google_secret_manager_secret_iam_member.more) == 0
    error_message = "Somebody who asks for no secret gets one."
  }
  assert {
    condition     = local.environment.DUO_SKEY_FILE == "/secrets/duo/skey" && local.environment.DUO_IKEY == "DIXXXXXXXXXXXXXXXXXX" && local.environment.DUO_API_HOST == "api-12345678.duosecurity.com"
    error_message = "The service would not find the keys."
  }
  assert {
    condition     = length(setintersection(keys(local.environment), ["DUO_ACCOUNTS", "PHONES", "PHONES_KEY_FILE"])) == 0
    error_message = "The default has changed."
  }
}

# In a new project all of it can be set at once: the sample reads nothing.
run "file_and_hash" {
  variables {
    accounts = "file"
    secrets  = ["accounts", "phones-key"]
    settings = { PHONES = "Hash" }
  }
  assert {
    condition     = local.environment.DUO_ACCOUNTS == "/secrets/accounts/accounts" && length(setintersection(keys(local.environment), ["DUO_IKEY", "DUO_API_HOST", "DUO_SKEY_FILE"])) == 0
    error_message = "The service would not read the accounts file, or would need a key that it has no use for."
  }
  assert {
    condition     = local.environment.PHONES == "Hash" && local.environment.PHONES_KEY_FILE == "/secrets/phones-key/phones-key"
    error_message = "The service would not hash phone numbers."
  }
  assert {
    condition     = { for key, secret in google_secret_manager_secret.more : key => "${secret.project}/${secret.secret_id}" } == { accounts = "demo-project/duo-telephony-accounts", phones-key = "demo-project/duo-telephony-phones-key" }
    error_message = "A build mounts secrets by other names."
  }
  assert {
    condition = { for key, m in google_secret_manager_secret_iam_member.more : key => [m.secret_id, m.role, m.member] } == { for key, secret in google_secret_manager_secret.more : key => [
      secret.id, "roles/secretmanager.secretAccessor", "serviceAccount:duo-telephony-run@demo-project.iam.gserviceaccount.com",
    ] }
    error_message = "The service must read these secrets, and nobody else."
  }
  assert {
    condition     = local.streams == "authentication@.+|telephony@.+" && length(google_monitoring_alert_policy.vanished) == 0
    error_message = "Metrics and alerts miss the file's accounts, which can't vanish."
  }
}

run "mirrored_sample" {
  state_key = "mirrored"
  command   = plan
  variables {
    accounts = "file"
    secrets  = ["accounts"]
    image    = "us-central1-docker.pkg.dev/demo-project/mirror/hello"
  }
  assert {
    condition     = local.environment.DUO_ACCOUNTS == "/secrets/accounts/accounts"
    error_message = "The first apply asks for mounts that only a build can make."
  }
}

run "hash" {
  command = plan
  variables {
    duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
    duo_api_host = "api-12345678.duosecurity.com"
    secrets      = ["phones-key"]
    settings     = { PHONES = "hash" }
  }
  assert {
    condition     = local.secret_files == tomap({ DUO_SKEY_FILE = "/secrets/duo/skey", PHONES_KEY_FILE = "/secrets/phones-key/phones-key" }) && keys(google_secret_manager_secret.more) == ["phones-key"]
    error_message = "One secret depends on the other."
  }
}

run "file_without_secret" {
  command = plan
  variables {
    accounts = "file"
    secrets  = ["phones-key"]
  }
  expect_failures = [var.accounts]
}

run "hash_without_secret" {
  command = plan
  variables {
    accounts = "file"
    secrets  = ["accounts"]
    settings = { PHONES = "HASH" }
  }
  expect_failures = [var.settings]
}

run "unknown_secret" {
  command = plan
  variables {
    accounts = "file"
    secrets  = ["accounts", "skey"]
  }
  expect_failures = [var.secrets]
}

run "own_without_application" {
  command         = plan
  expect_failures = [var.duo_ikey, var.duo_api_host]
}

# From here on a build has been there, with Duo's key alone.
run "built" {
  state_key = "built"
  module {
    source = "./tests/built"
  }
  variables {
    mounts = { "/secrets/duo" = "duo-telephony-skey" }
  }
}

run "built_as_before" {
  state_key = "built"
  command   = plan
  variables {
    duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
    duo_api_host = "api-12345678.duosecurity.com"
    secrets      = ["accounts", "phones-key"] # made first, used later
  }
  assert {
    condition     = google_cloud_run_v2_service.this.template[0].containers[0].volume_mounts[0].mount_path == "/secrets/duo" && length(google_secret_manager_secret.more) == 2
    error_message = "An apply would take off what a build has mounted."
  }
}

run "file_before_its_mount" {
  state_key = "built"
  command   = plan
  variables {
    accounts = "file"
    secrets  = ["accounts"]
  }
  expect_failures = [google_cloud_run_v2_service.this]
}

run "hash_before_its_mount" {
  state_key = "built"
  command   = plan
  variables {
    duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
    duo_api_host = "api-12345678.duosecurity.com"
    secrets      = ["phones-key"]
    settings     = { PHONES = "hash" }
  }
  expect_failures = [google_cloud_run_v2_service.this]
}

# As Cloud Run may name a secret, too.
run "mounted" {
  state_key = "mounted"
  module {
    source = "./tests/built"
  }
  variables {
    mounts = { "/secrets/accounts" = "duo-telephony-accounts", "/secrets/phones-key" = "projects/demo-project/secrets/duo-telephony-phones-key" }
  }
}

run "file_and_hash_mounted" {
  state_key = "mounted"
  command   = plan
  variables {
    accounts = "file"
    secrets  = ["accounts", "phones-key"]
    settings = { PHONES = "hash" }
  }
  assert {
    condition     = local.environment.DUO_ACCOUNTS == "/secrets/accounts/accounts"
    error_message = "What is mounted can't be used."
  }
}

run "own_before_its_mount" {
  state_key = "mounted"
  command   = plan
  variables {
    duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
    duo_api_host = "api-12345678.duosecurity.com"
    secrets      = ["accounts", "phones-key"]
  }
  expect_failures = [google_cloud_run_v2_service.this]
}

run "secret_gone_before_its_mount" {
  state_key = "mounted"
  command   = plan
  variables {
    accounts = "file"
    secrets  = ["accounts"]
  }
  expect_failures = [google_cloud_run_v2_service.this]
}
