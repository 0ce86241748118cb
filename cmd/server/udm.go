package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/udm"
)

// maxLine is the longest line that a SecOps feed takes, in bytes.
const maxLine = 4 << 20

const udmUsage = `usage: server udm [-log L] [FILE…]
  shows what Google SecOps makes of records: reads them from files, gzip or not,
  or from standard input, one a line, and writes an event for each. The events
  hold phone numbers and names, as the records do.
  -log L  the log that they are of: telephony, authentication or activity.
          Without it an object's name tells (authentication_….ndjson); what
          has no such name, and standard input, is telephony.
`

// udmCommand prints events. A line that can't become one is reported on standard error
// by its place, never its content, and the others are converted.
type udmCommand struct {
	mapping udm.Mapping // nil for that of each file's log
	files   []string
}

func (c *udmCommand) define(flags *flag.FlagSet) {
	flags.Usage = func() { fmt.Fprint(flags.Output(), udmUsage) }
	flags.Func("log", "", func(log string) (err error) {
		c.mapping, err = mappingOf(log)
		return err
	})
}

func mappingOf(log string) (udm.Mapping, error) {
	if mapping, ok := udm.Mappings[log]; ok {
		return mapping, nil
	}
	if _, ok := duo.LogNamed(log); ok {
		return nil, fmt.Errorf("the log %s has no parser in Google SecOps, so there are no events of it", log)
	}
	return nil, fmt.Errorf("it must be one of %s", strings.Join(slices.Sorted(maps.Keys(udm.Mappings)), ", "))
}

// logOf tells the log of an object, copied here with its folders or without, by
// the stream that its name begins with, as in telephony-backfill_….ndjson.
func logOf(file string) string {
	stream, _, named := strings.Cut(filepath.Base(file), "_")
	for _, log := range duo.Logs {
		of := collect.Config{Log: &log}
		if named && (stream == of.Live().Name() || stream == of.Backfill().Name()) {
			return log.Name
		}
	}
	return "telephony"
}

func (c *udmCommand) accept(files []string) error {
	c.files = files
	return nil
}

func (c *udmCommand) run(ctx context.Context, con console) int {
	ended := make(chan int, 1)
	go func() { ended <- c.print(con) }() // a read from a terminal does not end with ctx
	select {
	case code := <-ended:
		return code
	case <-ctx.Done():
		return exitFailed
	}
}

// print reads the files one after the other, standard input if there are none.
func (c *udmCommand) print(con console) int {
	p := &printer{mapping: c.mapping, out: bufio.NewWriterSize(con.out, 1<<16), faults: con.err}
	var err error
	if len(c.files) == 0 {
		err = p.print("standard input", con.in)
	}
	for _, file := range c.files {
		if err = p.printFile(file); err != nil {
			break
		}
	}
	if err != nil {
		p.fault(err)
	}
	if p.failed {
		return exitFailed
	}
	return exitOK
}

// printer writes events, and faults as file:line: what is wrong.
type printer struct {
	mapping udm.Mapping // nil for that of each file's log
	out     *bufio.Writer
	faults  io.Writer
	failed  bool
}

func (p *printer) printFile(file string) error {
	f, err := os.Open(file)
	if err != nil {
		p.fault(err)
		return nil
	}
	defer f.Close()
	return p.print(file, f)
}

func (p *printer) fault(err error) {
	p.failed = true
	fmt.Fprintln(p.faults, err)
}

// print writes the events of one file, each as soon as no further line is at
// hand. It returns an error where no event can be written any more.
func (p *printer) print(file string, in io.Reader) error {
	mapping, unknown := p.mapping, error(nil)
	if mapping == nil {
		mapping, unknown = mappingOf(logOf(file))
	}
	r, packed := unzipped(in)
	if err := cmp.Or(unknown, packed); err != nil {
		p.fault(fmt.Errorf("%s: %w", file, err))
		return nil
	}
	for n := 1; ; n++ {
		line, err := nextLine(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && len(line) > 0 {
			var event []byte
			if event, err = mapping.Convert(line); err == nil {
				_, _ = p.out.Write(append(event, '\n')) // a write that failed makes Flush fail
			}
		}
		if err != nil {
			p.fault(fmt.Errorf("%s:%d: %w", file, n, err))
		}
		if r.Buffered() == 0 {
			if err := p.out.Flush(); err != nil {
				return fmt.Errorf("writing events: %w", err)
			}
		}
		if err != nil && !errors.Is(err, udm.ErrNoObject) && !errors.Is(err, errLongLine) {
			return nil // the rest of the file can't be read
		}
	}
}

// unzipped unpacks what begins as gzip does; no JSON begins so.
func unzipped(in io.Reader) (*bufio.Reader, error) {
	r := bufio.NewReader(in)
	if magic, _ := r.Peek(2); string(magic) != "\x1f\x8b" {
		return bufio.NewReaderSize(r, maxLine+1), nil
	}
	unpacked, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	return bufio.NewReaderSize(unpacked, maxLine+1), nil
}

var errLongLine = fmt.Errorf("is longer than the %d MiB that a SecOps feed takes in a line", maxLine>>20)

// nextLine returns a line without the white space around it, and io.EOF after
// the last one, which needs no newline. It is valid until the next call. A line
// that is too long is passed over.
func nextLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	long := errors.Is(err, bufio.ErrBufferFull)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.ReadSlice('\n')
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case long:
		return nil, errLongLine
	case len(line) == 0:
		return nil, io.EOF
	}
	return bytes.TrimSpace(line), nil
}
