package writer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"time"
)

// Dir keeps the objects in a local directory: each is a file below bucket/, its
// metadata a file below bucket.meta/, where readers of the bucket don't look.
//
// A metadata file is named after the object and the hash of its bytes, and is
// written first. So a visible object is complete and has its metadata, and a
// writer can't attach its metadata to an object with other bytes.
type Dir struct {
	dir    string
	prefix string
}

// NewDir returns the objects below prefix in dir's bucket, made when it is needed.
func NewDir(dir, prefix string) *Dir {
	return &Dir{dir: dir, prefix: cleanPrefix(prefix)}
}

// Place returns where d's objects are.
func (d *Dir) Place() Place { return Place{Prefix: d.prefix} }

// At returns the objects in another place of the same directory.
func (d *Dir) At(p Place) *Dir { return NewDir(d.dir, p.Prefix) }

// URI is the path of the object's file.
func (d *Dir) URI(name Name) string { return d.path(name.String()) }

// path returns the file of a name below the prefix.
func (d *Dir) path(name string) string { return filepath.Join(d.dir, "bucket", d.prefix, name) }

// metaFile returns the metadata file of an object with these bytes.
func (d *Dir) metaFile(name Name, stored []byte) string {
	file := fmt.Sprintf("%s.%x.json", name, sha256.Sum256(stored))
	return filepath.Join(d.dir, "bucket.meta", d.prefix, file)
}

// Put does what [GCS.Put] does.
func (d *Dir) Put(ctx context.Context, o Object) (*Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	created, err := d.put(o)
	if err != nil {
		return nil, fmt.Errorf("writing object %s: %w", d.URI(o.Name), err)
	}
	if created {
		return nil, nil
	}
	there, err := d.Get(ctx, o.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, goneError(d.URI(o.Name), fs.ErrExist)
	}
	if err != nil {
		return nil, err
	}
	if string(there.Data) == string(o.Data) && there.Meta.sameWalk(o.Meta) {
		return nil, nil
	}
	return &there, nil
}

// put reports whether it created both files. Existing metadata, of an attempt with
// the same bytes, stays: its object may exist too and be committed.
func (d *Dir) put(o Object) (created bool, err error) {
	stored := pack(o)
	meta, err := json.Marshal(o.Meta.encode())
	if err != nil {
		return false, err
	}
	newMeta, err := d.create(d.metaFile(o.Name, stored), meta)
	if err != nil {
		return false, err
	}
	newObject, err := d.create(d.URI(o.Name), stored)
	return newMeta && newObject, err
}

// link gives a file a second name and fails if that is taken. Tests replace it to
// end the process before or after it.
var link = os.Link

// create reports whether it created the file; an existing one stays. Either way it is
// durable on return: a process that made it may not have synced it yet. One that dies
// leaves at most a temporary file. It stays, because its writer might still be alive.
func (d *Dir) create(file string, data []byte) (bool, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return false, err
	}
	temp, err := d.writeTemp(data)
	if err != nil {
		return false, err
	}
	defer os.Remove(temp)
	linkErr := link(temp, file)
	if linkErr != nil && !errors.Is(linkErr, fs.ErrExist) {
		return false, linkErr
	}
	return linkErr == nil, d.syncFolders(filepath.Dir(file))
}

// writeTemp makes a durable temporary file with data.
func (d *Dir) writeTemp(data []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Join(d.dir, "bucket.meta"), "tmp-*")
	if err != nil {
		return "", err
	}
	_, writeErr := f.Write(data)
	if err := errors.Join(writeErr, f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// syncFolders makes the entries of folder durable, and those of its parents up to
// d.dir, because any of them may be new.
func (d *Dir) syncFolders(folder string) error {
	for ; ; folder = filepath.Dir(folder) {
		f, err := os.Open(folder)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if folder == filepath.Clean(d.dir) {
			return nil
		}
	}
}

// Get does what [GCS.Get] does.
func (d *Dir) Get(ctx context.Context, name Name) (Object, error) {
	if err := ctx.Err(); err != nil {
		return Object{}, err
	}
	stored, err := os.ReadFile(d.URI(name))
	if err != nil {
		return Object{}, fmt.Errorf("reading object: %w", err)
	}
	meta, foreign := d.meta(name, stored)
	if foreign != nil && !errors.Is(foreign, ErrForeign) {
		return Object{}, foreign
	}
	data, err := unpack(name, stored, foreign != nil)
	if err != nil {
		return Object{}, fmt.Errorf("reading object %s: %w", d.URI(name), err)
	}
	return Object{Name: name, Data: data, Meta: meta}, foreign
}

func (d *Dir) meta(name Name, stored []byte) (Meta, error) {
	encoded, err := os.ReadFile(d.metaFile(name, stored))
	if errors.Is(err, fs.ErrNotExist) {
		return Meta{}, foreignError(d.URI(name))
	}
	if err != nil {
		return Meta{}, fmt.Errorf("reading metadata: %w", err)
	}
	var kv map[string]string
	if err := json.Unmarshal(encoded, &kv); err != nil {
		return Meta{}, fmt.Errorf("reading metadata of %s: %w", d.URI(name), err)
	}
	meta, ok := decodeMeta(kv)
	if !ok {
		return Meta{}, foreignError(d.URI(name))
	}
	return meta, nil
}

// Read does what [GCS.Read] does. A key can't lead out of the bucket.
func (d *Dir) Read(ctx context.Context, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.OpenInRoot(filepath.Join(d.dir, "bucket"), filepath.FromSlash(key))
	if err != nil {
		return nil, fmt.Errorf("reading object: %w", err)
	}
	defer f.Close()
	data, err := readAll(f, maxRead)
	if err != nil {
		return nil, fmt.Errorf("reading object %s: %w", key, err)
	}
	return data, nil
}

// List does what [GCS.List] does. It reads every object that it lists, because
// finding the metadata takes the bytes.
func (d *Dir) List(ctx context.Context, from, to time.Time, widest time.Duration) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for name, err := range d.names(from.Add(-widest), to) {
			if err != nil {
				yield(Info{}, fmt.Errorf("listing objects: %w", err))
				return
			}
			if !name.intersects(from, to) {
				continue
			}
			o, err := d.Get(ctx, name)
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted since the folder was read
			}
			if !yield(Info{Name: name, Meta: o.Meta}, err) || err != nil && !errors.Is(err, ErrForeign) {
				return
			}
		}
	}
}

// names returns the names of our form in the folders from first to last, in order.
func (d *Dir) names(first, last time.Time) iter.Seq2[Name, error] {
	return func(yield func(Name, error) bool) {
		for t := first; folder(t) <= folder(last); t = t.Add(day) {
			entries, err := os.ReadDir(d.path(folder(t)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				yield(Name{}, err)
				return
			}
			for _, entry := range entries {
				name, ok := ParseName(path.Join(folder(t), entry.Name()))
				if ok && !yield(name, nil) {
					return
				}
			}
		}
	}
}
