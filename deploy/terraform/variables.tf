# What has no default must be set. The rest is sound as it is.

variable "project" {
  description = "Id of the Google Cloud project."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "The project's id, not its name or number: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "duo_ikey" {
  description = "Integration key of the Duo Admin API application, which needs the permission \"Grant read log\". Not with an accounts file, which has keys."
  type        = string
  default     = null
  validation {
    condition     = var.accounts == "file" || try(length(trimspace(var.duo_ikey)) > 0, false)
    error_message = "Set it: the integration key is on the page of the application in Duo's Admin Panel."
  }
}

variable "duo_api_host" {
  description = "API hostname of that application."
  type        = string
  default     = null
  validation {
    condition     = var.accounts == "file" || can(regex("^api-[a-z0-9-]+\\.(duosecurity|duofederal)\\.com$", var.duo_api_host))
    error_message = "Set it: the form is api-….duosecurity.com or api-….duofederal.com, without scheme, path or port."
  }
}

variable "logs" {
  description = "Duo's logs to collect, each with a feed of its own: telephony, authentication, activity, trust-monitor, or all."
  type        = set(string)
  default     = ["telephony"]
  validation {
    condition     = length(var.logs) > 0 && length(setsubtract(var.logs, concat(keys(local.log_types), ["all"]))) == 0
    error_message = "At least one of ${join(", ", keys(local.log_types))}, or all."
  }
}

variable "accounts" {
  description = "Whose logs: own; children, with the keys of an Accounts API application: the accounts below its own one; or file: those that the secret NAME-accounts has keys for."
  type        = string
  default     = "own"
  validation {
    condition     = contains(["own", "children", "file"], var.accounts)
    error_message = "own, children or file. The accounts file itself is the secret NAME-accounts: see docs/operations.md, \"A managed provider\"."
  }
  validation {
    condition     = var.accounts != "file" || contains(var.secrets, "accounts")
    error_message = "The file has to be the secret NAME-accounts: add \"accounts\" to secrets. Where the service runs already, do that alone, add a version and mount it first: docs/operations.md, \"A managed provider\"."
  }
}

variable "secrets" {
  description = "Secrets to make beside Duo's key: accounts, for accounts = \"file\", and phones-key, for PHONES = \"hash\". What is taken out is destroyed, with all versions."
  type        = set(string)
  default     = []
  validation {
    condition     = length(setsubtract(var.secrets, local.more_secrets)) == 0
    error_message = "${join(", ", local.more_secrets)}: names of secrets, their values go into Secret Manager."
  }
}

variable "workers" {
  description = "How many messages a tick sends. Each is a request that collects, and they divide the streams: more than one for many accounts."
  type        = number
  default     = 1
  validation {
    # The service takes 16 requests at once: a call by hand has to fit beside them.
    condition     = var.workers >= 1 && var.workers <= 15 && var.workers == floor(var.workers)
    error_message = "From 1 to 15: the service's two instances take 8 requests each, and a call by hand has to fit beside them."
  }
}

variable "region" {
  description = "Region of the service, the schedule, the images and, unless they say otherwise, bucket and database."
  type        = string
  default     = "us-central1"
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region such as europe-west1, not a zone."
  }
}

variable "name" {
  description = "Prefix of everything that is made."
  type        = string
  default     = "duo-telephony"
  validation {
    # The longest of them is an account's id: NAME-invoker has at most 30 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}[a-z0-9]$", var.name))
    error_message = "3 to 22 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "bucket" {
  description = "Name of the bucket for the objects; null is PROJECT-NAME."
  type        = string
  default     = null
  validation {
    condition     = var.bucket == null || can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name, without gs:// and path."
  }
}

variable "bucket_location" {
  description = "Location of the bucket; null is the region."
  type        = string
  default     = null
}

variable "gcs_prefix" {
  description = "Folder of the objects, {log} being replaced by the log's name and {account} by the account's API hostname; empty is the bucket's root."
  type        = string
  default     = "duo-{log}"
  validation {
    condition     = var.gcs_prefix == trim(var.gcs_prefix, "/") && !strcontains(var.gcs_prefix, "//")
    error_message = "No slash at either end and no empty folder name: SecOps feeds can't read one."
  }
  validation {
    condition     = !can(regex("[{}]", replace(replace(var.gcs_prefix, "{log}", ""), "{account}", "")))
    error_message = "{log} and {account} are the only placeholders."
  }
  validation {
    condition     = length(local.logs) == 1 || strcontains(var.gcs_prefix, "{log}")
    error_message = "With several logs it must hold {log}: a feed takes all that is in a folder for one log type."
  }
}

variable "object_age_days" {
  description = "The bucket deletes objects after so many days. They hold phone numbers."
  type        = number
  default     = 180
  validation {
    condition     = var.object_age_days >= 7 && var.object_age_days == floor(var.object_age_days)
    error_message = "At least 7 whole days: what is deleted before the feed has taken it is lost."
  }
}

variable "firestore_database" {
  description = "Name of the Firestore database; null is NAME."
  type        = string
  default     = null
  validation {
    condition     = var.firestore_database == null || can(regex("^([a-z][a-z0-9-]{2,61}[a-z0-9]|\\(default\\))$", var.firestore_database))
    error_message = "4 to 63 lower-case letters, digits and hyphens, beginning with a letter, or (default)."
  }
}

variable "firestore_location" {
  description = "Location of the database; null is the region. It can't be changed later."
  type        = string
  default     = null
}

variable "allow_destroy" {
  description = "Let terraform destroy delete the bucket with all its objects, and the database with the cursors. Apply it before you destroy."
  type        = bool
  default     = false
}

variable "schedule" {
  description = "When to collect, in cron's form."
  type        = string
  default     = "*/15 * * * *"
  validation {
    condition     = can(regex("^[-0-9*/,]+ [-0-9*/,]+ [-0-9*/,]+ [-0-9A-Za-z*/,]+ [-0-9A-Za-z*/,]+$", var.schedule))
    error_message = "Five fields: minute, hour, day of the month, month, day of the week."
  }
}

variable "time_zone" {
  description = "Time zone of the schedule, a name of the tz database."
  type        = string
  default     = "Etc/UTC"
  validation {
    condition     = can(regex("^([A-Z][A-Za-z0-9_+-]*/[A-Za-z0-9_+/-]+|UTC)$", var.time_zone))
    error_message = "A name such as Europe/Berlin or Etc/UTC."
  }
}

variable "interval_minutes" {
  description = "Longest time between two ticks of the schedule. Three of them without a complete run of a log raise an alert."
  type        = number
  default     = 15
  validation {
    # The alert looks back two of them and waits one more; it can do so for a
    # day and an hour.
    condition     = var.interval_minutes >= 1 && var.interval_minutes <= 480 && var.interval_minutes == floor(var.interval_minutes)
    error_message = "From 1 to 480 minutes."
  }
  validation {
    condition     = try(tonumber(regex("^\\*/([0-9]+) \\* \\* \\* \\*$", var.schedule)[0]) == var.interval_minutes, true)
    error_message = "It differs from the schedule, which has a tick every so many minutes."
  }
}

variable "run_budget_seconds" {
  description = "RUN_BUDGET: a run starts no page when it is near."
  type        = number
  default     = 540
  validation {
    # A run's lease lasts 30 seconds longer.
    condition     = var.run_budget_seconds >= 1 && var.run_budget_seconds <= 570 && var.run_budget_seconds == floor(var.run_budget_seconds)
    error_message = "From 1 to 570 seconds: after 600 Pub/Sub and Cloud Run give the request up."
  }
}

variable "initial_lookback_hours" {
  description = "INITIAL_LOOKBACK: how far back the very first window starts."
  type        = number
  default     = 24
  validation {
    condition     = var.initial_lookback_hours > 0 && var.initial_lookback_hours <= 179 * 24 && var.initial_lookback_hours == floor(var.initial_lookback_hours)
    error_message = "From 1 to 4296 hours: Duo answers for 180 days."
  }
}

variable "settings" {
  description = "Further environment variables of the service, see the table in README.md."
  type        = map(string)
  default     = {}
  validation {
    condition = length(setsubtract(keys(var.settings), [
      "COMPRESSION", "CONCURRENCY", "ENRICH", "INGEST_DELAY", "LOG_LEVEL", "MAX_ITERATIONS", "MAX_WINDOW", "OVERLAP", "OVERLAP_ACTIVITY",
      "OVERLAP_AUTHENTICATION", "OVERLAP_TELEPHONY", "OVERLAP_TRUST_MONITOR", "PAGE_INTERVAL", "PHONES", "STATE_KEY",
    ])) == 0
    error_message = "COMPRESSION, CONCURRENCY, ENRICH, INGEST_DELAY, LOG_LEVEL, MAX_ITERATIONS, MAX_WINDOW, OVERLAP, OVERLAP_<LOG>, PAGE_INTERVAL, PHONES and STATE_KEY. The others follow from other variables."
  }
  validation {
    condition     = contains(["debug", "info"], lower(lookup(var.settings, "LOG_LEVEL", "info")))
    error_message = "LOG_LEVEL: debug or info. Metrics and alerts count the lines of complete runs, which are of level info."
  }
  validation {
    condition     = lower(lookup(var.settings, "PHONES", "keep")) != "hash" || contains(var.secrets, "phones-key")
    error_message = "PHONES = \"hash\" needs a key, the secret NAME-phones-key: add \"phones-key\" to secrets. Where the service runs already, do that alone, add a version and mount it first: docs/operations.md, \"Phone numbers\"."
  }
}

variable "auth_mode" {
  description = "AUTH_MODE: verify checks id tokens in the service, made without Cloud Run's invoker check; cloudrun-iam relies on that check, and needs a second apply after the first build. To change it later see docs/operations.md, \"Who checks id tokens\"."
  type        = string
  default     = "verify"
  validation {
    condition     = contains(["verify", "cloudrun-iam"], var.auth_mode)
    error_message = "verify or cloudrun-iam."
  }
}

variable "ingress" {
  description = "all, or internal: then Pub/Sub gets through and a curl from elsewhere does not."
  type        = string
  default     = "all"
  validation {
    condition     = contains(["all", "internal"], var.ingress)
    error_message = "all or internal."
  }
}

variable "static_egress" {
  description = "Reach Duo from one reserved address, for its network restrictions. Costs a Cloud NAT."
  type        = bool
  default     = false
}

variable "operators" {
  description = "Who may trigger by hand and read the status, by impersonating NAME-invoker: members such as user:ann@example.com."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for m in var.operators : can(regex("^(user|group|serviceAccount):[^@ ,]+@[^@ ,]+$", m))])
    error_message = "Members such as user:ann@example.com or group:secops@example.com."
  }
}

variable "callers" {
  description = "E-mail addresses of further service accounts that may call."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for c in var.callers : can(regex("^[^@ ,:]+@[^@ ,:]+\\.gserviceaccount\\.com$", c))])
    error_message = "Service accounts' addresses. A person's own token has gcloud's audience and is refused: see operators."
  }
}

variable "secops" {
  description = <<-EOT
    The SecOps instance that gets a feed for each log, see feed_accounts too: its project, location and instance (the customer's id); null is no feed.
    event_driven: the bucket tells SecOps of each new object, within seconds; false has it look every so often. delete_after_transfer
    weakens promise 2: a record can be delivered twice, where an object is deleted before its commit or a range is collected again.
  EOT
  type = object({
    project               = string
    location              = string
    instance              = string
    event_driven          = optional(bool, true)
    delete_after_transfer = optional(bool, false)
  })
  default = null
  validation {
    condition     = var.secops == null || can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9] [a-z][a-z0-9-]+ [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "${var.secops.project} ${var.secops.location} ${var.secops.instance}"))
    error_message = "The project's id, a location such as us or europe-west2, and the instance's id, which is a UUID."
  }
  validation {
    condition     = var.secops == null || var.feed_account != null
    error_message = "Set feed_account too, which may read the bucket before the feed is made: README.md (\"The feed\") has the line that asks SecOps for it."
  }
}

variable "feed_account" {
  description = "E-mail address of the service account that SecOps reads the bucket as; null until there is a feed."
  type        = string
  default     = null
  validation {
    condition     = var.feed_account == null || can(regex("^[^@ ,:]+@[^@ ,:]+\\.gserviceaccount\\.com$", var.feed_account))
    error_message = "A service account's address."
  }
}

variable "feed_accounts" {
  description = "With {account} in gcs_prefix and children's or a file's accounts: the API hostnames of those that get a feed of their own for each log. Without secops the output feeds lists what they read."
  type        = set(string)
  default     = []
  validation {
    # Pub/Sub's and DNS's limits allow for longer ones than Duo has.
    condition     = alltrue([for host in var.feed_accounts : can(regex("^api-[a-z0-9-]{1,59}\\.(duosecurity|duofederal)\\.com$", host))])
    error_message = "API hostnames such as api-0a1b2c3d.duosecurity.com, in lower case. The status page has them in the streams' names."
  }
  validation {
    condition     = length(var.feed_accounts) == 0 || (var.accounts != "own" && strcontains(var.gcs_prefix, "{account}"))
    error_message = "Each account has a folder, and so a feed, of its own only with {account} in gcs_prefix and accounts = \"children\" or \"file\": set those, or leave feed_accounts out."
  }
  validation {
    # The prefix stands in the filters of Pub/Sub's subscriptions.
    condition     = length(var.feed_accounts) == 0 || can(regex("^[ !#-\\[\\]-~]*$", var.gcs_prefix))
    error_message = "With feed_accounts, gcs_prefix has letters, digits and signs of ASCII, without quotation marks and backslashes."
  }
  validation {
    condition     = length(var.feed_accounts) > 0 || var.secops == null || var.accounts == "own" || !strcontains(var.gcs_prefix, "{account}")
    error_message = "With {account} in gcs_prefix each account needs feeds of its own: list the accounts' API hostnames here, or take {account} out, and one feed for each log reads all accounts."
  }
}

variable "alert_emails" {
  description = "Who is told of an alert. Without one, alerts show in Cloud Monitoring only."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for e in var.alert_emails : can(regex("^[^@ ,:]+@[^@ ,:]+$", e))])
    error_message = "E-mail addresses."
  }
}

variable "lag_alert_seconds" {
  description = "A run that ends with more lag than this raises an alert."
  type        = number
  default     = 7200
  validation {
    # A run that has caught up is INGEST_DELAY behind.
    condition     = var.lag_alert_seconds >= 300 && var.lag_alert_seconds == floor(var.lag_alert_seconds)
    error_message = "At least 300 whole seconds."
  }
}

variable "runbook_url" {
  description = "Where people who get an alert find docs/operations.md. With https:// the status page links to it, too."
  type        = string
  default     = "docs/operations.md"
  validation {
    condition     = endswith(var.runbook_url, "docs/operations.md")
    error_message = "The address of docs/operations.md, without a fragment."
  }
  validation {
    # The service would not start with it.
    condition     = !can(regex("^https?:", var.runbook_url)) || can(regex("^https?://[^/?#@:% ]+(:[0-9]+)?/([^#% ]|%[0-9A-Fa-f]{2})*$", var.runbook_url))
    error_message = "An address such as https://git.example.com/duo/blob/main/docs/operations.md, without a user and without blanks."
  }
}

variable "image" {
  description = "Image of the service until Cloud Build deploys the first one; null is Google's sample. Later Terraform leaves the image alone."
  type        = string
  default     = null
}
