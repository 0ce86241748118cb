package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"duo-telephony-collector/internal/audit"
)

// maxShown is how many faults of a kind the text names, and copies of each.
const maxShown = 20

// auditText is the report for people. It tells ids and places, and nothing
// else of what a record says.
func auditText(r audit.Report, call string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "compared     %s, %s to %s\n", r.Log, r.From.Format(time.RFC3339Nano), r.To.Format(time.RFC3339Nano))
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
An object loses its metadata where it is downloaded and uploaded again. A
backfill that meets it fails: docs/operations.md, "Is everything there?".
`

const missingNote = `
Where the feed deletes objects after transfer, verify cannot tell a record that
was transferred from one that is missing: collected again, it is there twice.
`

func writeFaults(b *strings.Builder, f audit.Faults) {
	for i, r := range f.Records {
		if i == maxShown {
			break
		}
		at := "without a readable time"
		if r.TS != nil {
			at = r.TS.Format(time.RFC3339Nano)
		}
		fmt.Fprintf(b, "  %s  %s\n", shownID(r.ID), at)
		for j, c := range r.Copies {
			if j == maxShown {
				fmt.Fprintf(b, "    and %d more\n", len(r.Copies)-maxShown)
				break
			}
			fmt.Fprintf(b, "    %s line %d\n", c.Object, c.Line)
		}
	}
	if more := f.Count - min(len(f.Records), maxShown); more > 0 {
		fmt.Fprintf(b, "  and %d more, -json has up to 10000\n", more)
	}
}

// shownID keeps what an id can do to a terminal, or to the eye, to itself.
func shownID(id string) string {
	if id == "" {
		return "(no id)"
	}
	if quoted := strconv.QuoteToGraphic(id); quoted != `"`+id+`"` || strings.Contains(id, " ") {
		return quoted
	}
	return id
}
