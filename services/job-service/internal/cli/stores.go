package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/pkg/database"
)

func databaseChecks(db database.Database) []check {
	return []check{
		{name: "database", hint: "see REELMILL_MONGO_URI: is the server running there, and are user and password right?",
			run: func(ctx context.Context) (string, error) { return "answers", db.Ping(ctx) }},
		{name: "database safety", needs: "database", hint: "use a server whose updates are atomic: with this one jobs would be lost",
			run: func(ctx context.Context) (string, error) {
				return "of concurrent writers exactly one wins", database.Check(ctx, db)
			}},
	}
}

// scratchPrefix is where the doctor puts objects, away from those of tenants.
const scratchPrefix = "doctor/"

func storageChecks(store blob.Store, presigner blob.Presigner, ping func(context.Context) error) []check {
	return []check{
		{name: "bucket", hint: "see REELMILL_S3_ENDPOINT, REELMILL_S3_BUCKET and the access key: does the bucket exist?",
			run: func(ctx context.Context) (string, error) { return "answers", ping(ctx) }},
		{name: "bucket access", needs: "bucket", hint: "the access key must be allowed to put, get, list and delete objects",
			run: func(ctx context.Context) (string, error) {
				return "objects can be written, read, listed and deleted", roundTrip(ctx, store)
			}},
		{name: "presigned requests", needs: "bucket access", hint: "see REELMILL_S3_PUBLIC_ENDPOINT: clients upload and download through it, and the clocks of this host and the store must agree",
			run: func(ctx context.Context) (string, error) {
				return presigned(ctx, store, presigner)
			}},
	}
}

// remove deletes a scratch object also when ctx has ended, and returns err or why it could not.
func remove(ctx context.Context, store blob.Store, key string, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, store.Delete(ctx, key))
}

// roundTrip writes an object, reads it back in every way, and deletes it.
func roundTrip(ctx context.Context, store blob.Store) (err error) {
	key := scratchPrefix + ident.New()
	content := []byte("written by job-service doctor, " + key)
	sum := sha256.Sum256(content)
	if _, err := store.Put(ctx, key, bytes.NewReader(content), blob.PutOptions{ContentType: "text/plain", SHA256: hex.EncodeToString(sum[:])}); err != nil {
		return err
	}
	defer func() {
		if err = remove(ctx, store, key, err); err != nil {
			return
		}
		if _, headErr := store.Head(ctx, key); !errors.Is(headErr, blob.ErrNotFound) {
			err = fmt.Errorf("object %s is still there after it was deleted: %w", key, headErr)
		}
	}()
	head, err := store.Head(ctx, key)
	if err != nil {
		return err
	}
	if head.SizeBytes != int64(len(content)) {
		return fmt.Errorf("object %s has %d bytes, %d were written", key, head.SizeBytes, len(content))
	}
	if err := readsBack(ctx, store, key, content); err != nil {
		return err
	}
	list, err := store.List(ctx, blob.ListOptions{Prefix: key})
	if err != nil {
		return err
	}
	if len(list) != 1 || list[0].Key != key {
		return fmt.Errorf("object %s was written and is not listed", key)
	}
	return nil
}

func readsBack(ctx context.Context, store blob.Store, key string, want []byte) error {
	r, _, err := store.Get(ctx, key, blob.GetOptions{})
	if err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(r, int64(len(want))+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read object %s: %w", key, err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("object %s came back with another content", key)
	}
	return nil
}

// presigned uploads and downloads as clients do, without credentials.
func presigned(ctx context.Context, store blob.Store, presigner blob.Presigner) (detail string, err error) {
	key := scratchPrefix + ident.New()
	content := []byte("uploaded by job-service doctor, " + key)
	up, err := presigner.PresignPut(ctx, blob.Upload{Key: key, ContentType: "text/plain", SizeBytes: int64(len(content))}, time.Minute)
	if err != nil {
		return "", err
	}
	defer func() { err = remove(ctx, store, key, err) }()
	if _, err := request(ctx, up, content); err != nil {
		return "", fmt.Errorf("upload by a presigned request: %w", err)
	}
	if err := readsBack(ctx, store, key, content); err != nil {
		return "", err
	}
	down, err := presigner.PresignGet(ctx, blob.Download{Key: key}, time.Minute)
	if err != nil {
		return "", err
	}
	got, err := request(ctx, down, nil)
	if err != nil {
		return "", fmt.Errorf("download by a presigned request: %w", err)
	}
	if !bytes.Equal(got, content) {
		return "", errors.New("a presigned download gave another content than was uploaded")
	}
	return "clients can upload and download at " + hostOf(up.URL), nil
}

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 4 << 10

// request makes a presigned request. Its errors do not show the URL, which is a secret.
func request(ctx context.Context, s blob.Signed, content []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, s.Method, s.URL, bytes.NewReader(content))
	if err != nil {
		return nil, errors.New("the presigned URL cannot be read")
	}
	for name, value := range s.Header {
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return nil, fmt.Errorf("reach %s: %w", hostOf(s.URL), wrapped.Err)
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() // read only: nothing can be lost
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", hostOf(s.URL), err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %.300s", hostOf(s.URL), resp.Status, strings.TrimSpace(string(body)))
	}
	return body, nil
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the store"
	}
	return u.Scheme + "://" + u.Host
}
