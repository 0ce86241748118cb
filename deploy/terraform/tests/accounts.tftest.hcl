# Child accounts, and several requests a tick.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project      = "demo-project"
  duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
  duo_api_host = "api-12345678.duosecurity.com"
}

run "own" {
  assert {
    condition     = !contains(keys(local.environment), "DUO_ACCOUNTS") && length(google_cloud_scheduler_job.more) == 0
    error_message = "The default has changed."
  }
  assert {
    condition     = length(google_monitoring_alert_policy.vanished) == 0
    error_message = "Without child accounts none can vanish."
  }
}

run "children" {
  variables {
    accounts = "children"
    logs     = ["telephony", "authentication"]
    workers  = 4
  }
  assert {
    condition     = local.environment.DUO_ACCOUNTS == "children"
    error_message = "The service would collect the wrong account's logs."
  }
  assert {
    condition = length(google_cloud_scheduler_job.more) == 3 && alltrue([
      for job in google_cloud_scheduler_job.more : job.schedule == google_cloud_scheduler_job.tick.schedule && job.pubsub_target[0].topic_name == google_pubsub_topic.tick.id
    ])
    error_message = "A tick does not send four messages."
  }
  assert {
    # 5 requests of 8 streams with 32 MiB each
    condition     = google_cloud_run_v2_service.this.template[0].containers[0].resources[0].limits.memory == "2048Mi" && local.environment.GOMEMLIMIT == "1638MiB"
    error_message = "Accounts that are behind at once take more memory than an instance has."
  }
  assert {
    condition     = strcontains(google_logging_metric.runs.filter, "^(authentication@.+|telephony@.+)$")
    error_message = "The metrics do not count the runs of child accounts."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.no_complete_run.conditions[0].condition_prometheus_query_language[0].query, "label_replace(vector(0), \"stream\", \"every-account\", \"\", \"\")")
    error_message = "Nothing fires when no account is collected at all, or its link to the status page breaks."
  }
  assert {
    condition     = startswith(google_monitoring_alert_policy.no_complete_run.documentation[0].content, "No run of $${metric_or_resource.label.stream} has caught up ")
    error_message = "An alert speaks of a stream that is called every-account."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.vanished[0].conditions[0].condition_matched_log[0].filter, "^account no longer listed")
    error_message = "Nobody hears of a child account that vanished."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.vanished[0].documentation[0].content, "\n${output.page}\n\nand open http://127.0.0.1:8081/\n\nRead on: ")
    error_message = "The alert on a vanished account does not lead to the status page."
  }
}

run "accounts" {
  command = plan
  variables {
    accounts = "/secrets/accounts.csv"
  }
  expect_failures = [var.accounts]
}

run "workers" {
  command = plan
  variables {
    workers = 0
  }
  expect_failures = [var.workers]
}

run "few_at_once" {
  command = plan
  variables {
    accounts = "children"
    workers  = 2
    settings = { CONCURRENCY = "2" }
  }
  assert {
    condition     = local.memory_mib == 256
    error_message = "Six accounts at once need no larger instance."
  }
}

run "too_much_at_once" {
  command = plan
  variables {
    accounts = "children"
    workers  = 7
    settings = { CONCURRENCY = "16" }
  }
  expect_failures = [google_cloud_run_v2_service.this]
}

run "too_many_workers" {
  command = plan
  variables {
    workers = 16
  }
  expect_failures = [var.workers]
}

run "log_level" {
  command = plan
  variables {
    settings = { LOG_LEVEL = "warn" }
  }
  expect_failures = [var.settings]
}

run "phones" {
  command = plan
  variables {
    settings = { PHONES = "hash" }
  }
  expect_failures = [var.settings]
}
