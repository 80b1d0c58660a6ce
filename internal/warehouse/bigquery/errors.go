package bigquery

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"
)

// ErrQuota is wrapped by the error of what a quota refused: trying again at
// once does not help, tomorrow does.
var ErrQuota = errors.New("quota exceeded")

const quotaExceeded = "quotaExceeded"

// temporaryReason reports whether an error of the service, or of a job, may be
// gone the next time.
func temporaryReason(reason string) bool {
	return slices.Contains([]string{
		"backendError", "internalError", "rateLimitExceeded", "tableUnavailable", "timeout",
		"jobBackendError", "jobInternalError", "jobRateLimitExceeded",
	}, reason)
}

// reasonOf is the reason that the service gives for an error, "" for others.
func reasonOf(err error) string {
	var (
		api *googleapi.Error
		job *bigquery.Error
	)
	switch {
	case errors.As(err, &job):
		return job.Reason
	case errors.As(err, &api) && len(api.Errors) > 0:
		return api.Errors[0].Reason
	}
	return ""
}

func hasCode(err error, code int) bool {
	var api *googleapi.Error
	return errors.As(err, &api) && api.Code == code
}

// explain turns an error into one line that says what to do.
func (w *Warehouse) explain(op string, err error) error {
	hint := ""
	reason := reasonOf(err)
	switch {
	case reason == quotaExceeded:
		return fmt.Errorf("warehouse %s: %s: %w: %w. What was published so far stands. BigQuery allows 1,500 load jobs a table and day, failed ones too: go on tomorrow, or ask for more (IAM & Admin, Quotas)", w.URI(), op, ErrQuota, err)
	case reason == "bytesBilledLimitExceeded":
		hint = ": raise max_bytes_billed, or ask for fewer days"
	case hasCode(err, http.StatusUnauthorized):
		hint = ": run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
	case hasCode(err, http.StatusForbidden), reason == "accessDenied":
		hint = ": give this account roles/bigquery.dataEditor on the dataset, roles/bigquery.jobUser on the project and roles/storage.objectViewer on the lake's bucket"
	case reason == "notFound", hasCode(err, http.StatusNotFound):
		hint = ": 'warehouse tables' makes the dataset and its tables; a dataset outside of US and EU needs ?location= in its URI"
	}
	return fmt.Errorf("warehouse %s: %s: %w%s", w.URI(), op, err, hint)
}
