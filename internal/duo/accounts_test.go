package duo_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

const (
	skey2 = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7b"
	ikey2 = "DIQ1W2E3R4T5Y6U7I8O9"
	good  = "name,host,ikey,skey\nContoso," + host + "," + ikey + "," + skey + "\n"
)

func accountsFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "accounts.csv")
	writeFile(t, file, content)
	return file
}

func writeFile(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadAccounts(t *testing.T) {
	type application struct{ Name, Host, IKey, SKey string }
	want := []application{
		{"Contoso", host, ikey, skey},
		{"Smith, Jones & Co", fabrikam.Host, ikey2, skey2},
	}
	for name, content := range map[string]string{
		"plain": "name,host,ikey,skey\nContoso," + host + "," + ikey + "," + skey + "\n" +
			`"Smith, Jones & Co",` + fabrikam.Host + "," + ikey2 + "," + skey2 + "\n",
		// As Terraform's csvencode has it: columns in order.
		"other columns": "host,ikey,name,skey\n" + host + "," + ikey + ",Contoso," + skey + "\n" +
			fabrikam.Host + "," + ikey2 + `,"Smith, Jones & Co",` + skey2,
		"of a spreadsheet": "\ufeffName,Host,IKey,SKey\r\nContoso," + strings.ToUpper(host) + "," + ikey + "," + skey + "\r\n" +
			`"Smith, Jones & Co",` + fabrikam.Host + "," + ikey2 + "," + skey2 + "\r\n",
		"by hand": "# the \"big\" customers\n# a, b, c, d\n# of api-1.duosecurity.com, once\n\nname, host, ikey, skey\n\n  Contoso , " + host + " , " + ikey + ", " + skey + " \n# gone: \"Smith, Jones & Co\"\n" +
			`"Smith, Jones & Co", "` + fabrikam.Host + `", "` + ikey2 + `", "` + skey2 + "\"\n\n",
	} {
		applications, err := duo.ReadAccounts(accountsFile(t, content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []application
		for _, a := range applications {
			key, err := a.Secret()
			if err != nil || a.ID != "" {
				t.Errorf("%s: %+v: %v", name, a.Account, err)
			}
			got = append(got, application{a.Name, a.Host, a.IKey, key})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
}

// TestAccountsFaults: all faults come together, by line, and no key with them.
func TestAccountsFaults(t *testing.T) {
	const a, b = "api-1.duosecurity.com", "api-2.duosecurity.com"
	row := func(values ...string) string { return strings.Join(values, ",") + "\n" }
	header := row("name", "host", "ikey", "skey")
	for name, test := range map[string]struct {
		content string
		want    []string
	}{
		"empty":             {"", []string{"it has no account"}},
		"a header alone":    {header, []string{"it has no account"}},
		"no header":         {row("Contoso", a, ikey, skey), []string{"line 1: it has to name the columns: name,host,ikey,skey"}},
		"a column too few":  {row("name", "host", "skey"), []string{"line 1: it has to name the columns"}},
		"a column twice":    {row("name", "host", "skey", "skey"), []string{"line 1: it has to name the columns"}},
		"semicolons":        {strings.ReplaceAll(header+row("A", a, ikey, skey), ",", ";"), []string{"line 1: it has to name the columns"}},
		"UTF-16":            {"\xff\xfen\x00a\x00m\x00e\x00", []string{"line 1: it has to name the columns", "UTF-8"}},
		"a value too many":  {header + row("Smith", " Jones", a, ikey, skey), []string{"line 2: it has 5 values and needs 4"}},
		"cut short":         {header + "A," + a + "," + ikey, []string{"line 2: it has 3 values and needs 4"}},
		"values missing":    {header + row("", "", "", ""), []string{"line 2: name is missing", "line 2: host is missing", "line 2: ikey is missing", "line 2: skey is missing"}},
		"a bare quote":      {header + row(`A "x"`, a, ikey, skey) + row("B", "x", ikey2, skey2), []string{`line 2: bare " in`, "line 3: host is not of the form"}},
		"an open quote":     {header + row(`"A`, a, ikey, skey), []string{`line 2: extraneous or missing "`}},
		"a line break":      {header + row("\"A\nB\"", a, ikey, skey) + row("C", "x", ikey2, skey2), []string{"line 2: name has a control character", "line 4: host"}},
		"host":              {header + row("A", "https://"+a, ikey, skey), []string{"line 2: host is not of the form"}},
		"keys exchanged":    {header + row("A", a, skey, ikey), []string{"line 2: ikey has 40 characters, as a secret key has", "line 2: skey has the form of an integration key"}},
		"host and key":      {header + row("A", skey, ikey, a), []string{"line 2: host is not of the form"}},
		"masked":            {header + row("A", a, "****", "••••"), []string{"line 2: ikey is a masked key", "line 2: skey is a masked key"}},
		"another kind's":    {header + row("A", a, "SIWJ8X6AEYOR5OMC6TQ1", skey), []string{"line 2: ikey begins with SI"}},
		"the same name":     {header + row("A", a, ikey, skey) + row("A", b, ikey2, skey2), []string{"line 3: name is that of line 2, too"}},
		"the same host":     {header + row("A", a, ikey, skey) + row("B", strings.ToUpper(a), ikey2, skey2), []string{"line 3: host is that of line 2, too"}},
		"the same ikey":     {header + row("A", a, ikey, skey) + row("B", b, ikey, skey2), []string{"line 3: ikey is that of line 2, too"}},
		"many at once":      {header + row("A", "x", ikey, skey) + row("", b, ikey2, skey2), []string{"line 2: host", "line 3: name is missing"}},
		"a comment is none": {"# x,y\n" + header + row("A", "x", ikey, skey), []string{"line 3: host"}},
		"a name with #":     {header + row("#1 Dental", a, ikey, skey) + row("B", b, ikey2, skey2), []string{"line 2: it begins with #"}},
		"host first with #": {"host,ikey,name,skey\r\n" + "#" + row(a, ikey, "A", skey), []string{"line 2: it begins with #"}},
		"cut short with #":  {header + row("#1 Dental", a), []string{"line 2: it begins with #"}},
		"not UTF-8":         {header + row("M\xfcller", a, ikey, skey), []string{"line 2: it is not in UTF-8"}},
	} {
		_, err := duo.ReadAccounts(accountsFile(t, test.content))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		_, faults, _ := strings.Cut(err.Error(), "\n")
		said := strings.Split(faults, "\n")
		if len(said) != max(len(test.want), 1) && name != "UTF-16" {
			t.Errorf("%s: %d faults: %v", name, len(said), err)
		}
		for _, want := range test.want {
			if !strings.Contains(faults, want) {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
		for _, key := range []string{skey, skey2, ikey, ikey2, "SIWJ8X6AEYOR5OMC6TQ1"} {
			if strings.Contains(err.Error(), key) {
				t.Errorf("%s: the error holds a key", name)
			}
		}
	}
	if _, err := duo.ReadAccounts(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestAccountsRotated: the file is read again when Duo refuses a key, whatever
// state its other lines are in.
func TestAccountsRotated(t *testing.T) {
	for name, test := range map[string]struct {
		then string
		want string // "" where the new key is taken
	}{
		"rotated":           {good + "Fabrikam,not a host,,\n", ""},
		"not rotated":       {strings.Replace(good, skey, skey2, 1), "check this account's line in "},
		"the line is gone":  {"name,host,ikey,skey\n", "no longer has a line"},
		"the line is bad":   {strings.Replace(good, skey, "****", 1), "no longer has a line"},
		"another ikey":      {strings.Replace(good, ikey, ikey2, 1), "restart the service"},
		"no accounts file":  {"name\n", "no longer has a line"},
		"another one of it": {good + strings.Replace(good, "name,host,ikey,skey\n", "", 1), ""},
	} {
		file := accountsFile(t, strings.Replace(good, skey, skey2, 1))
		applications, err := duo.ReadAccounts(file)
		if err != nil || len(applications) != 1 {
			t.Fatal(applications, err)
		}
		sim := newSim(duosim.Config{}, 1)
		client := serve(t, sim, duo.Config{Secret: applications[0].Secret, File: file})
		if _, err := applications[0].Secret(); err != nil {
			t.Fatal(err)
		}
		sim.Script(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			writeFile(t, file, test.then)
			next.ServeHTTP(w, r)
		})
		_, err = read(t.Context(), client.Session(telephony, 0), lastDay())
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		if err != nil && (!strings.Contains(err.Error(), file) || strings.Contains(err.Error(), skey) || strings.Contains(err.Error(), "DUO_")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
