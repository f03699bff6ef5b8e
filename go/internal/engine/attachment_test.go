package engine

import (
	"bytes"
	"testing"
)

func TestAttachments(t *testing.T) {
	var a attachments
	secret := []byte("secret")
	id, ok := a.add(secret)
	if !ok || id <= 0 {
		t.Fatalf("id %d, %v", id, ok)
	}
	if got := a.take(id); !bytes.Equal(got, []byte("secret")) {
		t.Errorf("got %q", got)
	}
	for _, other := range []int64{id, 0, -1, id + 1} {
		if a.take(other) != nil {
			t.Errorf("attachment %d", other)
		}
	}
}

func TestAttachmentsAreBoundedAndWiped(t *testing.T) {
	var a attachments
	var all [][]byte
	for range maxAttachments {
		data := []byte("secret")
		if _, ok := a.add(data); !ok {
			t.Fatal("refused too early")
		}
		all = append(all, data)
	}
	one := []byte("secret")
	if _, ok := a.add(one); ok {
		t.Error("one too many")
	}
	a.wipe()
	for i, data := range append(all, one) {
		if !bytes.Equal(data, make([]byte, 6)) {
			t.Errorf("attachment %d is %q", i, data)
		}
	}
	if len(a.items) != 0 {
		t.Errorf("%d are left", len(a.items))
	}
}
