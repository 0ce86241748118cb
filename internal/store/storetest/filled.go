package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)

// filled returns a value in which every field, however deep, is neither zero nor
// equal to another. A field added later is filled too, so it must survive storing.
func filled[T any](t *testing.T, first int) T {
	t.Helper()
	var v T
	fill(t, reflect.ValueOf(&v).Elem(), &first)
	return v
}

func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	if _, ok := v.Interface().(time.Time); ok {
		v.Set(reflect.ValueOf(epoch.Add(time.Duration(*n) * time.Millisecond)))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n%255 + 1))
	case reflect.String:
		v.SetString(fmt.Sprintf("value %d: é\n\"", *n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	default:
		t.Fatalf("no value for a %s: add one here", v.Type())
	}
}
