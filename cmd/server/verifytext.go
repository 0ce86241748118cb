package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"duo-telephony-collector/internal/audit"
)

// maxShown is how many faults of each kind the text names, and copies of each fault.
const maxShown = 20

// auditText is the report for people. It has nothing of a record but id and time.
func auditText(r audit.Report, call string) string {
	var b strings.Builder
	of := strings.TrimSuffix(r.Log+" of "+r.Account, " of ")
	fmt.Fprintf(&b, "compared     %s, %s to %s\n", of, r.From.Format(time.RFC3339Nano), r.To.Format(time.RFC3339Nano))
	for _, cut := range r.Cut {
		fmt.Fprintf(&b, "             %s\n", cut)
	}
	fmt.Fprintf(&b, "at Duo       %d records\nin bucket    %d records, %d objects read\n", r.Duo, r.Bucket, r.Objects)
	if r.Exact() {
		b.WriteString("\nExact: every record is there, once, as Duo shows it.\n")
		return b.String()
	}
	for _, kind := range []struct {
		name, means string
		audit.Faults
	}{
		{"missing", "at Duo, not in the bucket", r.Missing},
		{"doubled", "in the bucket more than once", r.Doubled},
		{"altered", "in the bucket, but not as Duo shows it", r.Altered},
		{"unknown", "in the bucket, not at Duo", r.Unknown},
		{"foreign", "in an object that has lost its metadata", r.Foreign},
	} {
		fmt.Fprintf(&b, "\n%-12s %d: %s\n", kind.name, kind.Count, kind.means)
		writeFaults(&b, kind.Faults)
	}
	if r.Foreign.Count > 0 {
		b.WriteString(foreignNote)
	}
	if call != "" {
		fmt.Fprintf(&b, "\nThis collects what is missing, and nothing that is there:\n\n  %s\n%s", call, missingNote)
	}
	return b.String()
}

const foreignNote = `
An object loses its metadata if it is downloaded and uploaded again. A backfill
that finds it fails: docs/operations.md, "Is everything there?".
`

const missingNote = `
If the feed deletes objects after transfer, verify can't tell a transferred record
from a missing one. Collected again, a transferred one is there twice.
`

func writeFaults(b *strings.Builder, f audit.Faults) {
	shown := f.Records[:min(len(f.Records), maxShown)]
	for _, r := range shown {
		at := "without a readable time"
		if r.TS != nil {
			at = r.TS.Format(time.RFC3339Nano)
		}
		fmt.Fprintf(b, "  %s  %s\n", shownID(r.ID), at)
		for _, c := range r.Copies[:min(len(r.Copies), maxShown)] {
			fmt.Fprintf(b, "    %s line %d\n", c.Object, c.Line)
		}
		if more := len(r.Copies) - maxShown; more > 0 {
			fmt.Fprintf(b, "    and %d more\n", more)
		}
	}
	if more := f.Count - len(shown); more > 0 {
		fmt.Fprintf(b, "  and %d more, -json has up to 10000\n", more)
	}
}

// shownID quotes an id that could confuse a terminal or a reader.
func shownID(id string) string {
	if id == "" {
		return "(no id)"
	}
	if quoted := strconv.QuoteToGraphic(id); quoted != `"`+id+`"` || strings.Contains(id, " ") {
		return quoted
	}
	return id
}
