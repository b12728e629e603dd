package s3gw

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"golang.org/x/sys/unix"
)

// ServeCommand is the subcommand for which the executable must call Serve.
const ServeCommand = "serve-versitygw"

// maxCopyBytes is S3's own limit of CopyObject. Left at zero, the library refuses every copy.
const maxCopyBytes = 5 << 30

// Serve runs versitygw until ctx ends. args are those of the subcommand.
func Serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(ServeCommand, flag.ContinueOnError)
	listen := flags.String("listen", "", "address for clients")
	dir := flags.String("dir", "", "folder of the objects and their metadata; made if missing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	objects := filepath.Join(*dir, "objects")
	if err := os.MkdirAll(objects, 0o700); err != nil {
		return fmt.Errorf("make the folder of the objects: %w", err)
	}
	options := posix.PosixOpts{Concurrency: 64, CopyObjectThreshold: maxCopyBytes}
	var metadata meta.MetadataStorer = meta.XattrMeta{}
	if !supportsXattrs(objects) {
		options.SideCarDir = filepath.Join(*dir, "metadata")
		if err := os.MkdirAll(options.SideCarDir, 0o700); err != nil {
			return fmt.Errorf("make the folder of the metadata: %w", err)
		}
		sidecar, err := meta.NewSideCar(options.SideCarDir)
		if err != nil {
			return fmt.Errorf("keep metadata in %s: %w", options.SideCarDir, err)
		}
		metadata = sidecar
	}
	backend, err := posix.New(objects, metadata, options)
	if err != nil {
		return fmt.Errorf("open %s: %w", objects, err)
	}
	err = embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess: AccessKey, RootUserSecret: SecretKey, Region: Region,
		Ports: []string{*listen}, HealthPath: healthPath, KeepAlive: true, Quiet: true,
		MaxConnections: 1000, MaxRequests: 500, AdminMaxConnections: 10, AdminMaxRequests: 10,
		MultipartMaxParts: 10000, // S3's own limit
		IAMCacheDisable:   true, CORSAllowOrigin: "*",
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("run versitygw on %s: %w", *listen, err)
	}
	return nil
}

// supportsXattrs reports whether files below dir can carry user attributes, which tmpfs and some network file systems
// do not allow.
func supportsXattrs(dir string) bool {
	const name = "user.reelmill.probe"
	if err := unix.Setxattr(dir, name, []byte("1"), 0); err != nil {
		return false
	}
	return unix.Removexattr(dir, name) == nil
}
