package triggers

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// AuditEntry is one change: what, by whom, when and from where.
type AuditEntry struct {
	EntryID   string    `json:"entry_id"`
	CreatedAt time.Time `json:"created_at"`
	// Action is such as api_key.rotated.
	Action string      `json:"action"`
	Actor  AuditActor  `json:"actor"`
	Target AuditTarget `json:"target"`
	// Changes are by field; never a secret.
	Changes map[string]AuditChange `json:"changes"`
	IP      *string                `json:"ip"`
	// RequestID is that of the request which made the change.
	RequestID *string `json:"request_id"`
}

// AuditActor is who made a change: an API key, or the operator.
type AuditActor struct {
	// Type is api_key or operator.
	Type  string  `json:"type"`
	KeyID *string `json:"key_id"`
}

// AuditTarget is what was changed.
type AuditTarget struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// AuditChange is a field's value before and after.
type AuditChange struct {
	From json.RawMessage `json:"from"`
	To   json.RawMessage `json:"to"`
}

// AuditLogListParams says which entries to list; the zero value is all of them, newest first.
type AuditLogListParams struct {
	Limit         *int       `query:"limit"`
	Cursor        *string    `query:"cursor"`
	Action        *string    `query:"action"`
	CreatedAfter  *time.Time `query:"created_after"`
	CreatedBefore *time.Time `query:"created_before"`
}

// AuditLogService reads the audit log; it needs the scope keys:manage.
type AuditLogService struct{ client *Client }

// List reads a page of the audit log.
func (s *AuditLogService) List(ctx context.Context, params AuditLogListParams, options ...Option) (*Page[AuditEntry], error) {
	return listPage[auditLogPage](ctx, s.client, "/v1/audit-log", queryOf(params), options)
}

// All goes through the audit log, page by page. After an error it ends.
func (s *AuditLogService) All(ctx context.Context, params AuditLogListParams, options ...Option) iter.Seq2[AuditEntry, error] {
	return items(ctx, func() (*Page[AuditEntry], error) { return s.List(ctx, params, options...) })
}

type auditLogPage struct {
	Entries    []AuditEntry `json:"entries"`
	Pagination pagination   `json:"pagination"`
	RequestID  string       `json:"request_id"`
}

func (p auditLogPage) page() *Page[AuditEntry] { return newPage(p.Entries, p.Pagination, p.RequestID) }
