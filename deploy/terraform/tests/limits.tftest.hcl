# Every limit that a variable knows, by a value beyond it.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project      = "demo-project"
  duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
  duo_api_host = "api-12345678.duosecurity.com"
}

run "project" {
  command = plan
  variables {
    project = "123456"
  }
  expect_failures = [var.project]
}

run "duo_ikey" {
  command = plan
  variables {
    duo_ikey = " "
  }
  expect_failures = [var.duo_ikey]
}

run "duo_api_host" {
  command = plan
  variables {
    duo_api_host = "https://api-1.duosecurity.com"
  }
  expect_failures = [var.duo_api_host]
}

run "logs" {
  command = plan
  variables {
    logs = ["telephony", "administrator"]
  }
  expect_failures = [var.logs]
}

run "logs_2" {
  command = plan
  variables {
    logs = []
  }
  expect_failures = [var.logs]
}

run "region" {
  command = plan
  variables {
    region = "us-central1-a"
  }
  expect_failures = [var.region]
}

run "name" {
  command = plan
  variables {
    name = "a-name-that-is-too-long-by-far"
  }
  expect_failures = [var.name]
}

run "bucket" {
  command = plan
  variables {
    bucket = "gs://bucket"
  }
  expect_failures = [var.bucket]
}

run "gcs_prefix" {
  command = plan
  variables {
    gcs_prefix = "a//b"
  }
  expect_failures = [var.gcs_prefix]
}

run "gcs_prefix_2" {
  command = plan
  variables {
    gcs_prefix = "a/"
  }
  expect_failures = [var.gcs_prefix]
}

run "gcs_prefix_3" {
  command = plan
  variables {
    gcs_prefix = "duo-{tenant}"
  }
  expect_failures = [var.gcs_prefix]
}

run "gcs_prefix_4" {
  command = plan
  variables {
    logs       = ["telephony", "activity"]
    gcs_prefix = "duo"
  }
  expect_failures = [var.gcs_prefix]
}

run "object_age_days" {
  command = plan
  variables {
    object_age_days = 1
  }
  expect_failures = [var.object_age_days]
}

run "firestore_database" {
  command = plan
  variables {
    firestore_database = "DB"
  }
  expect_failures = [var.firestore_database]
}

run "schedule" {
  command = plan
  variables {
    schedule = "every hour"
  }
  expect_failures = [var.schedule]
}

run "time_zone" {
  command = plan
  variables {
    time_zone = "local"
  }
  expect_failures = [var.time_zone]
}

run "interval_minutes" {
  command = plan
  variables {
    interval_minutes = 0
  }
  expect_failures = [var.interval_minutes]
}

run "interval_minutes_2" {
  command = plan
  variables {
    interval_minutes = 10
  }
  expect_failures = [var.interval_minutes]
}

run "run_budget_seconds" {
  command = plan
  variables {
    run_budget_seconds = 571
  }
  expect_failures = [var.run_budget_seconds]
}

run "initial_lookback_hours" {
  command = plan
  variables {
    initial_lookback_hours = 4297
  }
  expect_failures = [var.initial_lookback_hours]
}

run "settings" {
  command = plan
  variables {
    settings = { AUTH_MODE = "none" }
  }
  expect_failures = [var.settings]
}

run "auth_mode" {
  command = plan
  variables {
    auth_mode = "none"
  }
  expect_failures = [var.auth_mode]
}

run "ingress" {
  command = plan
  variables {
    ingress = "private"
  }
  expect_failures = [var.ingress]
}

run "operators" {
  command = plan
  variables {
    operators = ["ann@example.com"]
  }
  expect_failures = [var.operators]
}

run "callers" {
  command = plan
  variables {
    callers = ["ann@example.com"]
  }
  expect_failures = [var.callers]
}

run "secops" {
  command = plan
  variables {
    feed_account = "feed@secops.iam.gserviceaccount.com"
    secops       = { project = "secops-project", location = "us", instance = "customer" }
  }
  expect_failures = [var.secops]
}

run "secops_2" {
  command = plan
  variables {
    secops = { project = "secops-project", location = "us", instance = "00000000-0000-4000-8000-000000000000" }
  }
  expect_failures = [var.secops]
}

run "feed_account" {
  command = plan
  variables {
    feed_account = "serviceAccount:feed@secops.iam.gserviceaccount.com"
  }
  expect_failures = [var.feed_account]
}

run "feed_accounts" {
  command = plan
  variables {
    accounts      = "children"
    gcs_prefix    = "{account}/duo-{log}"
    feed_accounts = ["Contoso Dental"]
  }
  expect_failures = [var.feed_accounts]
}

run "feed_accounts_in_one_folder" {
  command = plan
  variables {
    accounts      = "children"
    feed_accounts = ["api-0a1b2c3d.duosecurity.com"]
  }
  expect_failures = [var.feed_accounts]
}

run "feed_accounts_in_a_quoted_folder" {
  command = plan
  variables {
    accounts      = "children"
    gcs_prefix    = "\"{account}\"/{log}"
    feed_accounts = ["api-0a1b2c3d.duosecurity.com"]
  }
  expect_failures = [var.feed_accounts]
}

run "feed_accounts_of_own" {
  command = plan
  variables {
    gcs_prefix    = "{account}/duo-{log}"
    feed_accounts = ["api-12345678.duosecurity.com"]
  }
  expect_failures = [var.feed_accounts]
}

run "feeds_of_unknown_accounts" {
  command = plan
  variables {
    accounts     = "children"
    gcs_prefix   = "{account}/duo-{log}"
    feed_account = "feed@secops.iam.gserviceaccount.com"
    secops       = { project = "secops-project", location = "us", instance = "00000000-0000-4000-8000-000000000000" }
  }
  expect_failures = [var.feed_accounts]
}

run "filter_too_long" {
  command = plan
  variables {
    accounts      = "children"
    gcs_prefix    = "${join("", [for i in range(20) : "0123456789"])}/{account}"
    feed_accounts = ["api-0a1b2c3d.duosecurity.com"]
    feed_account  = "feed@secops.iam.gserviceaccount.com"
    secops        = { project = "secops-project", location = "us", instance = "00000000-0000-4000-8000-000000000000" }
  }
  expect_failures = [google_pubsub_subscription.feed]
}

run "alert_emails" {
  command = plan
  variables {
    alert_emails = ["ann"]
  }
  expect_failures = [var.alert_emails]
}

run "lag_alert_seconds" {
  command = plan
  variables {
    lag_alert_seconds = 60
  }
  expect_failures = [var.lag_alert_seconds]
}

run "runbook_url" {
  command = plan
  variables {
    runbook_url = "docs/operations.md#lag"
  }
  expect_failures = [var.runbook_url]
}

run "runbook_url_with_a_port_of_letters" {
  command = plan
  variables {
    runbook_url = "https://git.example.com:abc/docs/operations.md"
  }
  expect_failures = [var.runbook_url]
}

run "runbook_url_with_a_bad_escape" {
  command = plan
  variables {
    runbook_url = "https://git.example.com/%zz/docs/operations.md"
  }
  expect_failures = [var.runbook_url]
}

run "runbook_url_with_a_user" {
  command = plan
  variables {
    runbook_url = "https://ann:secret@git.example.com/docs/operations.md"
  }
  expect_failures = [var.runbook_url]
}
