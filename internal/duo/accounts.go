package duo

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Application is an Admin API application in an account of an accounts file.
type Application struct {
	Account // without an ID
	IKey    string
	// Secret reads the secret key from the file, see [Config].
	Secret func() (string, error)
}

// ReadAccounts reads an accounts file: an account a line, with an application's keys.
//
//	name,host,ikey,skey
//	Contoso Dental,api-0a1b2c3d.duosecurity.com,DI…,the secret key
//	"Smith, Jones & Co",api-4e5f6a7b.duosecurity.com,DI…,the secret key
//
// It is CSV, because spreadsheets, Terraform's csvencode and people write that, and a
// line that is cut short shows. The first line names the columns, in any order, so that
// none is taken for another. Lines that are empty or begin with # are left out, but
// one that begins so and has an API hostname is a fault: it may be an account.
//
// All faults come in one error, a line each, with the numbers of lines and the
// names of columns. No value is repeated: it might be a key in the wrong column.
func ReadAccounts(file string) ([]Application, error) {
	lines, faults, err := readAccountsFile(file)
	if err != nil {
		return nil, err
	}
	var applications []Application
	for _, l := range lines {
		faults = append(faults, l.faults...)
		applications = append(applications, Application{
			Account: Account{Name: l.value["name"], Host: l.value["host"]},
			IKey:    l.value["ikey"],
			Secret:  func() (string, error) { return secretIn(file, l.value["host"], l.value["ikey"]) },
		})
	}
	if len(lines) == 0 && len(faults) == 0 {
		faults = []error{errors.New("it has no account")}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("the accounts file %s can't be used:\n%w", file, errors.Join(faults...))
	}
	return applications, nil
}

// secretIn reads the file again for one account's secret key, whatever other lines have.
func secretIn(file, host, ikey string) (string, error) {
	lines, _, err := readAccountsFile(file)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(lines, func(l accountLine) bool { return l.value["host"] == host && len(l.faults) == 0 })
	if i < 0 {
		return "", fmt.Errorf("%s no longer has a line for this account that can be used", file)
	}
	if lines[i].value["ikey"] != ikey {
		return "", fmt.Errorf("%s has another ikey for this account by now: restart the service to use it", file)
	}
	return lines[i].value["skey"], nil
}

var (
	accountColumns = []string{"name", "host", "ikey", "skey"}
	integrationKey = regexp.MustCompile(`^DI[A-Z0-9]{18}$`)
	commentedOut   = regexp.MustCompile(`(?mi)^#(.*,)?[ "]*` + hostPattern + `[ "]*(,|\r?$)`)
)

// accountLine is a line with an account, its values by column.
type accountLine struct {
	number int
	value  map[string]string
	faults []error
}

func (l *accountLine) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Errorf("line %d: "+format, append([]any{l.number}, args...)...))
}

// readAccountsFile returns the lines with accounts, which have faults of their
// own, and the faults of what is no such line.
func readAccountsFile(file string) (lines []accountLine, faults []error, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	// Excel begins UTF-8 with a byte order mark.
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(content), "\ufeff")))
	r.Comment, r.FieldsPerRecord, r.TrimLeadingSpace = '#', -1, true
	for _, at := range commentedOut.FindAllIndex(content, -1) {
		faults = append(faults, fmt.Errorf("line %d: it begins with #, as a comment does, and has an API hostname: "+
			"delete it, or put the name in quotes if the account is to be collected", 1+bytes.Count(content[:at[0]], []byte("\n"))))
	}
	var columns []string
	for {
		values, err := r.Read()
		if errors.Is(err, io.EOF) {
			return unique(lines), faults, nil
		}
		if broken, ok := errors.AsType[*csv.ParseError](err); ok {
			faults = append(faults, fmt.Errorf("line %d: %w", broken.StartLine, broken.Err))
			continue
		}
		number, _ := r.FieldPos(0)
		if columns == nil {
			if columns = headerOf(values); columns == nil {
				return nil, []error{fmt.Errorf("line %d: it has to name the columns: %s, in any order, with commas between, in UTF-8", number, strings.Join(accountColumns, ","))}, nil
			}
			continue
		}
		lines = append(lines, newAccountLine(number, columns, values))
	}
}

// headerOf returns the columns that a line names, nil unless it names each once.
func headerOf(values []string) []string {
	columns := make([]string, len(values))
	for i, v := range values {
		columns[i] = strings.ToLower(strings.TrimSpace(v))
	}
	if !slices.Equal(slices.Sorted(slices.Values(columns)), slices.Sorted(slices.Values(accountColumns))) {
		return nil
	}
	return columns
}

func newAccountLine(number int, columns, values []string) accountLine {
	l := accountLine{number: number, value: map[string]string{}}
	if len(values) != len(columns) {
		l.fault("it has %d values and needs %d; a value with a comma in it needs quotes around it", len(values), len(columns))
		return l
	}
	if !utf8.ValidString(strings.Join(values, "")) {
		l.fault("it is not in UTF-8: save the file so (a spreadsheet calls that CSV UTF-8)")
	}
	for i, column := range columns {
		l.value[column] = strings.TrimSpace(values[i])
	}
	for _, column := range accountColumns {
		if l.value[column] == "" {
			l.fault("%s is missing", column)
		} else if fault := columnFault(column, l.value[column]); fault != "" {
			l.fault("%s %s", column, fault)
		}
	}
	l.value["host"] = strings.ToLower(l.value["host"])
	return l
}

// columnFault says what is wrong with a value, as a sentence without its subject.
func columnFault(column, value string) string {
	switch column {
	case "name":
		if strings.ContainsFunc(value, unicode.IsControl) {
			return "has a control character such as a newline in it"
		}
	case "host":
		if _, ok := ParseHost(value); !ok {
			return "is not of the form api-….duosecurity.com or api-….duofederal.com, without scheme, path or port"
		}
	case "ikey":
		if len(value) == keyLength {
			return fmt.Sprintf("has %d characters, as a secret key has: put that into skey", keyLength)
		}
		return IKeyFault(value)
	case "skey":
		if integrationKey.MatchString(value) {
			return "has the form of an integration key: put that into ikey"
		}
		if Masked(value) {
			return maskedFault
		}
	}
	return ""
}

// unique adds the faults of lines that share what is one account's.
func unique(lines []accountLine) []accountLine {
	for _, column := range []string{"name", "host", "ikey"} {
		first := map[string]int{}
		for i := range lines {
			value, there := lines[i].value[column]
			if at, twice := first[value]; twice && value != "" {
				lines[i].fault("%s is that of line %d, too", column, at)
			} else if there {
				first[value] = lines[i].number
			}
		}
	}
	return lines
}
