# Each policy says what is wrong, the one next step, and where to read on. Where
# a metric of metrics.tf is asked it is in PromQL: a threshold on a metric that
# is minutes old is refused, and silence since the beginning would not count.
# What concerns a stream fires for each stream by itself, and names it.

locals {
  user_metric = "logging_googleapis_com:user_${local.prefix}"
  # At least 5 minutes: a metric can be that far behind its log.
  interval = max(var.interval_minutes, 5)
  # A stream without a complete run has no series, like one that never ran, and
  # would be left out: it counts as 0.
  # Child accounts are known to Duo alone: those without a series are one line of
  # 0 if there is no complete run at all. Its label is part of a link: no blanks.
  complete = "sum by (stream) (increase(${local.user_metric}_runs{monitored_resource=\"cloud_run_revision\",outcome=\"complete\",stream=~\"${local.streams}\"}[${2 * local.interval}m]))"
  silent = var.accounts == "own" ? [for log in local.logs : "label_replace(vector(0), \"stream\", \"${log}\", \"\", \"\")"] : [
    "(label_replace(vector(0), \"stream\", \"every-account\", \"\", \"\") unless on () (sum(${local.complete}) > 0.5))"
  ]
  complete_runs = join(" or ", concat([local.complete], local.silent))
  channels      = [for c in google_monitoring_notification_channel.email : c.id]
  # Of a stream its name follows, as ?stream=NAME.
  see = "The status page shows more: in the repository run\n\n${local.page}\n\nand open http://${local.page_address}/"
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.alert_emails

  project      = var.project
  display_name = each.value
  type         = "email"
  labels       = { email_address = each.value }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_alert_policy" "no_complete_run" {
  project               = var.project
  display_name          = "${local.service}: no complete run"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "No complete run of a stream for ${3 * local.interval} minutes"
    condition_prometheus_query_language {
      query = "(${local.complete_runs}) < 0.5"
      # Two intervals back and one of waiting make three. The waiting gives a new
      # stream, and a new metric, time for the first tick.
      duration                  = "${60 * local.interval}s"
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  documentation {
    content = "No run of $${metric_or_resource.label.stream} has caught up for three intervals. Next: read the outcome and reason of its last runs in the service's log. ${local.see}?stream=$${metric_or_resource.label.stream}\n\nRead on: ${var.runbook_url}#no-complete-run"
  }

  depends_on = [google_logging_metric.runs]
}

resource "google_monitoring_alert_policy" "lag" {
  project               = var.project
  display_name          = "${local.service}: lag"
  severity              = "WARNING"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "A run ended more than ${var.lag_alert_seconds} s behind"
    condition_matched_log {
      filter           = "${local.run_line} AND jsonPayload.lag_seconds>${var.lag_alert_seconds}"
      label_extractors = local.stream_label
    }
  }
  alert_strategy {
    auto_close = "3600s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = "Records of the stream $${log.extracted_label.stream} reach the bucket late. Next: see in its last runs' reason whether the budget or Duo's rate limit ends them. ${local.see}?stream=$${log.extracted_label.stream}\n\nRead on: ${var.runbook_url}#lag"
  }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_alert_policy" "act" {
  project               = var.project
  display_name          = "${local.service}: a person must act"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "An ERROR of a stream"
    condition_matched_log {
      # A gap has an alert of its own.
      filter           = "${local.log} AND severity>=ERROR AND jsonPayload.stream:* AND NOT jsonPayload.message=~\"^records lost:\""
      label_extractors = local.stream_label
    }
  }
  alert_strategy {
    auto_close = "3600s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = "No run of the stream $${log.extracted_label.stream} can succeed until somebody does what the line asks for. Next: read its reason, it names the credential, permission or setting. ${local.see}?stream=$${log.extracted_label.stream}\n\nRead on: ${var.runbook_url}#a-person-must-act"
  }

  depends_on = [google_project_service.this]
}

# Apart from the one before: a text with a stream's name would say null.
resource "google_monitoring_alert_policy" "service" {
  project               = var.project
  display_name          = "${local.service}: the service itself"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "An ERROR that concerns no stream"
    condition_matched_log {
      filter = "${local.log} AND severity>=ERROR AND NOT jsonPayload.stream:*"
    }
  }
  alert_strategy {
    auto_close = "3600s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = "The service refuses its configuration, can't list Duo's accounts, or failed in a way that nobody foresaw; perhaps nothing is collected. Next: read the line, it says what to do. ${local.see}\n\nRead on: ${var.runbook_url}#the-service-itself"
  }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_alert_policy" "gap" {
  project               = var.project
  display_name          = "${local.service}: gap"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "Duo did not show records that it has, or had"
    condition_matched_log {
      # A backfill may meet one, too.
      filter           = "${local.log} AND jsonPayload.stream:* AND jsonPayload.dry_run=false AND jsonPayload.gap_from:*"
      label_extractors = local.stream_label
    }
  }
  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "86400s"
    }
  }

  documentation {
    content = "Records of the stream $${log.extracted_label.stream} between gap_from and gap_to are missing. With gap_missing 0 nothing ran for 179 days, and Duo has deleted them; with another number Duo counted so many more than it showed. Next: note the range; then find out why nobody saw the other alerts, or collect the range again a day later. ${local.see}?stream=$${log.extracted_label.stream}\n\nRead on: ${var.runbook_url}#gap"
  }

  depends_on = [google_project_service.this]
}

# Told by an instance that had the account in its list before: one that starts
# after that does not know of it, and only the page still has it.
resource "google_monitoring_alert_policy" "vanished" {
  count = var.accounts == "children" ? 1 : 0

  project               = var.project
  display_name          = "${local.service}: account no longer listed"
  severity              = "WARNING"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "Duo's list lacks a child account that it had"
    condition_matched_log {
      filter           = "${local.log} AND jsonPayload.message=~\"^account no longer listed\""
      label_extractors = { account = "EXTRACT(jsonPayload.account)" }
    }
  }
  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = "The account $${log.extracted_label.account} is not collected any more. Next: ask whether it was meant to go. ${local.see}\n\nRead on: ${var.runbook_url}#account-no-longer-listed"
  }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_alert_policy" "dead_letters" {
  project               = var.project
  display_name          = "${local.service}: dead letters"
  severity              = "WARNING"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "A tick failed five times"
    condition_threshold {
      filter          = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${google_pubsub_subscription.dead.name}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    content = "The next tick makes up for a dead one, so nothing is lost. Next: find the failed runs of that time in the log, then empty ${google_pubsub_subscription.dead.name}. ${local.see}\n\nRead on: ${var.runbook_url}#dead-letters"
  }
}

resource "google_monitoring_alert_policy" "refused" {
  project               = var.project
  display_name          = "${local.service}: refused callers"
  severity              = "WARNING"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "More than 10 refused calls in an hour"
    condition_prometheus_query_language {
      query                     = "sum(increase(${local.user_metric}_refused{monitored_resource=\"cloud_run_revision\"}[1h])) > 10"
      duration                  = "0s"
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  documentation {
    content = "Pub/Sub with another audience or account, or a stranger. Next: read the error of the refused requests in the log. ${local.see}\n\nRead on: ${var.runbook_url}#refused-callers"
  }

  depends_on = [google_logging_metric.refused]
}
