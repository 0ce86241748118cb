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
	if err := fill(reflect.ValueOf(&v).Elem(), &first); err != nil {
		t.Fatalf("filling %T: %v", v, err)
	}
	return v
}

func fill(v reflect.Value, n *int) error {
	*n++
	if _, ok := v.Interface().(time.Time); ok {
		v.Set(reflect.ValueOf(epoch.Add(time.Duration(*n) * time.Millisecond)))
		return nil
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
		return fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		return fillAll(v.Len(), v.Index, n)
	case reflect.Array:
		return fillAll(v.Len(), v.Index, n)
	case reflect.Struct:
		return fillAll(v.NumField(), v.Field, n)
	default:
		return fmt.Errorf("no value for a %s: add one here", v.Type())
	}
	return nil
}

func fillAll(count int, element func(int) reflect.Value, n *int) error {
	for i := range count {
		if err := fill(element(i), n); err != nil {
			return err
		}
	}
	return nil
}
