# Log-based metrics, for alerts and dashboard. The provider replaces a metric
# whose labels change; its charts then begin anew.

locals {
  prefix = replace(var.name, "-", "_") # PromQL has no hyphens

  # The service's own lines, not Cloud Run's.
  log = join(" AND ", [
    "resource.type=\"cloud_run_revision\"",
    "resource.labels.service_name=\"${local.service}\"",
    "logName=\"projects/${var.project}/logs/run.googleapis.com%2Fstderr\"",
  ])
  # A regular expression for the streams. A stream is named after its log, and a
  # child account's after that, too: telephony@api-0a1b2c3d.duosecurity.com.
  streams = join("|", [for log in local.logs : var.accounts == "own" ? log : "${log}@.+"])
  # The line of a stream's run: no backfill, no dry run.
  run_line = "${local.log} AND jsonPayload.stream=~\"^(${local.streams})$\" AND jsonPayload.dry_run=false"

  # On a metric, one series for each stream; on an alert, one incident for each.
  stream_label = { stream = "EXTRACT(jsonPayload.stream)" }
}

resource "google_logging_metric" "runs" {
  project     = var.project
  name        = "${local.prefix}_runs"
  description = "Runs by stream and outcome"
  filter      = "${local.run_line} AND jsonPayload.outcome:*"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    labels {
      key = "stream"
    }
    labels {
      key = "outcome"
    }
  }
  label_extractors = merge(local.stream_label, { outcome = "EXTRACT(jsonPayload.outcome)" })

  depends_on = [google_project_service.this]
}

# Of runs that held the lease: the others know no watermark, and their lag is 0.
resource "google_logging_metric" "lag" {
  project         = var.project
  name            = "${local.prefix}_lag"
  description     = "Lag at the end of a run"
  filter          = "${local.run_line} AND jsonPayload.watermark:*"
  value_extractor = "EXTRACT(jsonPayload.lag_seconds)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "s"
    labels {
      key = "stream"
    }
  }
  label_extractors = local.stream_label
  bucket_options {
    exponential_buckets { # from half a minute to a year
      scale              = 30
      growth_factor      = 2
      num_finite_buckets = 20
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_logging_metric" "records" {
  project         = var.project
  name            = "${local.prefix}_records"
  description     = "Records written by a run"
  filter          = "${local.run_line} AND jsonPayload.records>0"
  value_extractor = "EXTRACT(jsonPayload.records)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    labels {
      key = "stream"
    }
  }
  label_extractors = local.stream_label

  depends_on = [google_project_service.this]
}

# By no stream: a refused call starts no run. POST alone: what searches the
# internet for holes mostly asks with GET.
resource "google_logging_metric" "refused" {
  project     = var.project
  name        = "${local.prefix}_refused"
  description = "Calls with a bad id token or by somebody not in ALLOWED_CALLERS"
  filter      = "${local.log} AND jsonPayload.message=\"request refused\" AND jsonPayload.method=\"POST\" AND (jsonPayload.http_status=401 OR jsonPayload.http_status=403)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    labels {
      key        = "http_status"
      value_type = "INT64"
    }
  }
  label_extractors = { http_status = "EXTRACT(jsonPayload.http_status)" }

  depends_on = [google_project_service.this]
}
