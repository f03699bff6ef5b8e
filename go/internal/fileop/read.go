package fileop

import (
	"context"
	"encoding/base64"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

const readSchema = `{"type":"object","required":["path"],"additionalProperties":false,"properties":{
	"path":` + pathSchema + `,
	"offset":{"type":"integer","minimum":0,"description":"bytes from the beginning; negative numbers are not taken"},
	"length":{"type":"integer","minimum":1,"description":"at most so many bytes"},
	"encoding":{"enum":["auto","utf8","base64"],"default":"auto","description":"auto: utf8 where the bytes are text, else base64"}}}`

// contents is the output of /fs/read.
type contents struct {
	Content  string    `json:"content"`
	Encoding string    `json:"encoding"` // "utf8" or "base64"
	Offset   int64     `json:"offset"`   // of the content's first byte
	Bytes    int       `json:"bytes"`    // of the content, before its encoding
	Size     int64     `json:"size"`     // of the whole file
	Modified time.Time `json:"modified"`
}

func (f *Folder) read(ctx context.Context, req *call.Request) (any, error) {
	var input struct {
		Path           string
		Offset, Length int64
		Encoding       string
	}
	if err := strictjson.Unmarshal(req.Input(), &input); err != nil {
		return nil, call.Errorf(call.InvalidInput, "the input cannot be read: %w", err)
	}
	name, err := within(input.Path)
	if err != nil {
		return nil, err
	}
	release, err := f.hold(ctx, req)
	if err != nil {
		return nil, err
	}
	defer release()
	file, info, err := f.open(f.root, name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	wanted := max(info.Size()-input.Offset, 0)
	if input.Length > 0 {
		wanted = min(wanted, input.Length)
	}
	if wanted > f.cfg.MaxBytes {
		e := call.Errorf(call.ResourceExhausted, "%.200q has %d bytes and one request reads at most %d: read it in parts, with offset and length", name, info.Size(), f.cfg.MaxBytes)
		e.Retryable = false
		return nil, e
	}
	data := make([]byte, wanted)
	n, err := file.ReadAt(data, input.Offset)
	if err != nil && err != io.EOF { // it may have become shorter
		return nil, refusal(err, name)
	}
	out := contents{Offset: input.Offset, Bytes: n, Size: info.Size(), Modified: info.ModTime().UTC()}
	if out.Content, out.Encoding, err = encode(data[:n], input.Encoding); err != nil {
		return nil, err
	}
	return out, nil
}

// encode gives bytes as a JSON string can hold them.
func encode(data []byte, encoding string) (content, used string, err error) {
	switch {
	case encoding == "utf8" && !utf8.Valid(data):
		return "", "", call.Errorf(call.InvalidInput, "the file's bytes are not UTF-8: read it as base64")
	case encoding == "utf8", encoding != "base64" && isText(data):
		return string(data), "utf8", nil
	}
	return base64.StdEncoding.EncodeToString(data), "base64", nil
}

// isText reports whether data is UTF-8 without control characters other than those of
// text files. What else holds them is shorter as base64.
func isText(data []byte) bool {
	for _, c := range data {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return utf8.Valid(data)
}
