# Makes the tables of internal/bench/README.md of what `go test -bench` and
# `go test -v` print. A template names the metrics in braces. It ends with 1 if
# one of them is missing.

BEGIN {
	row("BenchmarkThroughput/cloud", "throughput, no latency: Cloud Storage, Firestore", "≥ 0.80 × the floor", "{of-floor} ({floor-ms/page} of {ms/page} ms a page); {of-floor-beside} where the pages are fetched beside the floor")
	row("BenchmarkThroughput/directory", "throughput, no latency: directory, bbolt", "none", "{of-floor} ({floor-ms/page} of {ms/page} ms a page); {of-floor-beside} where the pages are fetched beside the floor")
	row("BenchmarkPageToObject/600", "a page of 1000 records of 600 bytes to an object", "≤ 3 ms of a core, with `BenchmarkDecode/600`", "{core-ms/page} ms, {allocs/record} allocations a record")
	row("BenchmarkLatency", "throughput with latency", "≥ 0.95 × the bound", "{of-bound} ({bound-s} of {run-s} s)")
	row("BenchmarkMemory", "peak memory at 20 k, 400 k, 2 M records", "≤ 60 MiB, within 15 %", "{MiB-at-20k}, {MiB-at-400k}, {MiB-at-2000k} MiB: × {x-2000k/20k}")
	row("BenchmarkStreamsQuiet", "a quiet push for four logs, at 100/50/20 ms", "≤ 1.25 × one log's", "× {x-one} ({four-ms} and {one-ms} ms)")
	row("BenchmarkStreamsThroughput", "four logs at once, 100 pages each, no latency", "≥ 0.80 × the floor of all", "{of-floor} ({floor-s} of {run-s} s)")
	row("BenchmarkStreamsMemory", "peak memory of four logs at once, 20 k and 400 k records of each, authentications of 3 kB", "≤ 140 MiB, within 15 %", "{MiB-at-20k} and {MiB-at-400k} MiB: × {x-400k/20k}")
	row("BenchmarkBehindMemory", "peak memory of accounts at once that are behind, authentications of 3 kB", "8: ≤ 512 MiB, 32: ≤ 2 GiB, as the module sets them", "8: {MiB-at-8} MiB; 32: {MiB-at-32} MiB")
	row("BenchmarkScale", "a tick of 4 messages to 2 processes for 3,000 quiet streams (1,000 accounts, 3 logs), at 100/50/20 ms", "within `RUN_BUDGET`, one request to Duo a stream, ≤ 140 MiB", "{s-for-3000} s, {requests/stream-at-3000} requests a stream, {MiB-at-3000} MiB; {MiB-at-30} MiB for 30 streams: × {x-3000/30}")
	row("BenchmarkStatus/firestore", "the status of 3,000 streams, and the page: Firestore", "≤ 300 ms, ≤ 1 MiB", "{ms-status} and {ms-page} ms, at least {least-ms-status} and {least-ms-page}; {KiB-status} and {KiB-page} KiB")
	row("BenchmarkStatus/bbolt", "the same: bbolt", "≤ 300 ms, ≤ 1 MiB", "{ms-status} and {ms-page} ms, at least {least-ms-status} and {least-ms-page}; {KiB-status} and {KiB-page} KiB")
	row("BenchmarkStart", "start to the first 200 on /health", "≤ 50 ms", "{ms-to-health} ms")
	row("BenchmarkStart", "size of the binary", "≤ 26 MB", "{MB-binary} MB")
	row("BenchmarkStart", "memory after the start", "≤ 30 MiB", "{MiB-idle} MiB")
	row("BenchmarkGrowth/pages", "a page's cost at 300 pages, of that at 3", "× 1", "time × {x-time/page}, on a core × {x-core/page}, allocated × {x-bytes/page}")
	row("BenchmarkGrowth/ids", "the same at 40,000 identities in the overlap, of 400", "× 1", "time × {x-time/page}, on a core × {x-core/page}, allocated × {x-bytes/page}; once a run {core-ms/run-more} ms on a core, {MB/run-more} MB more")
	row("BenchmarkGrowth/objects", "the same at 2,000 objects in the bucket, of 20", "× 1", "time × {x-time/page}, on a core × {x-core/page}, allocated × {x-bytes/page}; a bare upload × {x-upload}")
	row("BenchmarkGrowth/history", "the same at 1,000 runs in the history, of 10", "× 1", "time × {x-time/page}, on a core × {x-core/page}, allocated × {x-bytes/page}")
	row("TestBacklog/2-a-minute", "backlog at 2 requests a minute", "≥ 0.95 × the limit, one 429", "{of-limit}, {refusals} × 429 in {runs} runs")
	row("TestBacklog/50-a-minute", "backlog at 50 requests a minute", "≥ 0.95 × the limit, one 429", "{of-limit}, {refusals} × 429 in {runs} runs")
}

function row(name, what, target, template) {
	names[++rows] = name
	whats[rows] = what
	targets[rows] = target
	templates[rows] = template
}

$1 == "pkg:" {
	package = $2
	sub(/^[^\/]*/, ".", package)
}

/^Benchmark/ {
	sub(/-[0-9]+$/, "", $1)
	packages[$1] = package
	for (i = 3; i < NF; i += 2)
		values[$1, $(i + 1)] = $i
	if (($1, "ns/op") in values)
		order[++timed] = $1
}

$1 == "===" && $2 == "ATTR" { values[$3, $4] = $5 }

/^(--- )?FAIL/ { failed = 1 }

function fill(name, template,   before, metric) {
	while (match(template, /[{][^}]*}/)) {
		metric = substr(template, RSTART + 1, RLENGTH - 2)
		if (!((name, metric) in values))
			return missing("not measured")
		template = substr(template, 1, RSTART - 1) short(values[name, metric]) substr(template, RSTART + RLENGTH)
	}
	return template
}

function missing(text) {
	failed = 1
	return text
}

# short cuts a number to what it tells.
function short(number) {
	if (number >= 1000)
		return sprintf("%d", number)
	return sprintf(number == int(number) ? "%d" : "%.3g", number)
}

function command(name,   parts, n, i, pattern) {
	n = split(name, parts, "/")
	for (i = 1; i <= n; i++)
		pattern = pattern (i > 1 ? "/" : "") "^" parts[i] "$"
	if (name ~ /^Test/)
		return "go test -v -run '" pattern "' ./internal/bench"
	return "go test -run '^$' -bench '" pattern "' " (packages[name] ~ /bench$/ ? "-benchtime 1x " : "-cpu 1 ") packages[name]
}

END {
	print "\n| what | target | measured | by |\n|---|---|---|---|"
	for (i = 1; i <= rows; i++)
		printf "| %s | %s | %s | `%s` |\n", whats[i], targets[i], fill(names[i], templates[i]), command(names[i])
	print "\n| benchmark | time | MB/s | B/op | allocs/op |\n|---|---|---|---|---|"
	for (i = 1; i <= timed; i++)
		printf "| `%s` %s | %s µs | %s | %s | %s |\n", order[i], packages[order[i]], short(values[order[i], "ns/op"] / 1000),
			short(values[order[i], "MB/s"]), short(values[order[i], "B/op"]), short(values[order[i], "allocs/op"])
	exit failed
}
