package triggers

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"
)

// Page is one page of a list.
type Page[T any] struct {
	// Data are the page's items. There may be none, and yet a next page.
	Data []T
	// NextCursor is where the next page begins; nil when nothing more matches now.
	NextCursor *string
	// Limit is the most items that the page could have.
	Limit     int
	RequestID string

	load func(ctx context.Context, cursor string) (*Page[T], error)
}

// HasMore says whether there is a next page.
func (p *Page[T]) HasMore() bool { return p.NextCursor != nil }

// NextPage reads the page after this one, by the same filters and options; an error when there is none.
func (p *Page[T]) NextPage(ctx context.Context) (*Page[T], error) {
	if !p.HasMore() || p.load == nil {
		return nil, errors.New("triggers: there is no next page")
	}
	return p.load(ctx, *p.NextCursor)
}

// pagination is how the wire ends a page.
type pagination struct {
	NextCursor *string `json:"next_cursor"`
	Limit      int     `json:"limit"`
}

// pageAnswer is a page on the wire, whose items have another name in each list.
type pageAnswer[T any] interface{ page() *Page[T] }

func newPage[T any](data []T, end pagination, requestID string) *Page[T] {
	return &Page[T]{Data: data, NextCursor: end.NextCursor, Limit: end.Limit, RequestID: requestID}
}

// listPage reads one page of a list whose answers are A.
func listPage[A pageAnswer[T], T any](ctx context.Context, c *Client, path string, query url.Values, options []Option) (*Page[T], error) {
	return listPageOf[A](ctx, c, path, "", query, options)
}

// listPageOf is listPage for what belongs to something: {id} in the path stands for its id.
func listPageOf[A pageAnswer[T], T any](
	ctx context.Context, c *Client, path, id string, query url.Values, options []Option,
) (*Page[T], error) {
	answer, err := call[A](ctx, c, requestSpec{method: http.MethodGet, retry: retryAlways, path: path, id: id, query: query, options: options})
	if err != nil {
		return nil, err
	}
	page := (*answer).page()
	page.load = func(ctx context.Context, cursor string) (*Page[T], error) {
		next := maps.Clone(query)
		next.Set("cursor", cursor)
		return listPageOf[A](ctx, c, path, id, next, options)
	}
	return page, nil
}

// items goes through all pages, the first of which first reads. It ends after an error.
func items[T any](ctx context.Context, first func() (*Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		page, err := first()
		for {
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Data {
				if !yield(item, nil) {
					return
				}
			}
			if !page.HasMore() {
				return
			}
			page, err = page.NextPage(ctx)
		}
	}
}

// queryOf makes a query of a struct whose fields have a `query` tag; zero fields are left out. A map's entries are parameters
// whose names begin with the tag.
func queryOf(params any) url.Values {
	query := url.Values{}
	fields := reflect.ValueOf(params)
	for i := range fields.NumField() {
		name, tagged := fields.Type().Field(i).Tag.Lookup("query")
		value := reflect.Indirect(fields.Field(i))
		if !tagged || !value.IsValid() {
			continue
		}
		if value.Kind() == reflect.Map {
			for entries := value.MapRange(); entries.Next(); {
				query.Set(name+entries.Key().String(), entries.Value().String())
			}
			continue
		}
		// A pointer that is set counts, whatever it points to.
		if fields.Field(i).Kind() != reflect.Pointer && value.IsZero() {
			continue
		}
		query.Set(name, queryText(value.Interface()))
	}
	return query
}

func queryText(value any) string {
	switch value := value.(type) {
	case time.Time:
		return value.UTC().Format("2006-01-02T15:04:05.000000Z")
	case int:
		return strconv.Itoa(value)
	case bool:
		return strconv.FormatBool(value)
	default:
		return fmt.Sprint(value)
	}
}
