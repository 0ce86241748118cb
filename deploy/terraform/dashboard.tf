locals {
  selector = "{monitored_resource=\"cloud_run_revision\",stream=~\"${local.streams}\"}"

  # Title, and a query in PromQL. The steps of a distribution make its
  # percentiles rough; the status has the lag to the second.
  charts = [
    ["Runs by stream and outcome", "sum by (stream, outcome) (increase(${local.user_metric}_runs${local.selector}[$${__interval}]))"],
    ["Lag in seconds by stream, 95th percentile", "histogram_quantile(0.95, sum by (stream, le) (increase(${local.user_metric}_lag_bucket${local.selector}[$${__interval}])))"],
    ["Records written by stream", "sum by (stream) (increase(${local.user_metric}_records_sum${local.selector}[$${__interval}]))"],
    ["Refused calls by status", "sum by (http_status) (increase(${local.user_metric}_refused{monitored_resource=\"cloud_run_revision\"}[$${__interval}]))"],
    ["Ticks waiting", "max(pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource=\"pubsub_subscription\",subscription_id=\"${google_pubsub_subscription.push.name}\"})"],
    ["Dead letters", "max(pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource=\"pubsub_subscription\",subscription_id=\"${google_pubsub_subscription.dead.name}\"})"],
  ]
}

resource "google_monitoring_dashboard" "this" {
  project = var.project
  dashboard_json = jsonencode({
    displayName = local.service
    gridLayout = {
      columns = 2
      widgets = [for chart in local.charts : {
        title = chart[0]
        xyChart = {
          dataSets = [{
            plotType        = "LINE"
            timeSeriesQuery = { prometheusQuery = chart[1] }
          }]
        }
      }]
    }
  })

  depends_on = [
    google_logging_metric.lag,
    google_logging_metric.records,
    google_logging_metric.refused,
    google_logging_metric.runs,
  ]
}
