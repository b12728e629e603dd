package job

import (
	"strings"
	"time"
)

// MaxReaders is how many retries may read the source of a job at a time: its document names them all.
const MaxReaders = 50

// Reader is a retry as the owner of its source knows it: the job that the source was uploaded for, below whose
// prefix it lies. As long as the retry runs, the owner is not deleted.
type Reader struct {
	JobID string `json:"job_id"`
	// Since is when the retry was announced. It is stored a moment later, so one that is not there may still come;
	// and it tells two retries apart that have the same id, one after the other.
	Since time.Time `json:"since"`
}

// Is reports whether both are the same announcement.
func (r Reader) Is(other Reader) bool { return r.JobID == other.JobID && r.Since.Equal(other.Since) }

// Owner returns the id of the job that the source was uploaded for: that of the job itself, or where it is a retry
// that of the first of its predecessors.
func (s Source) Owner() string {
	folder := strings.TrimSuffix(s.Key, "/source")
	return folder[strings.LastIndex(folder, "/")+1:]
}
