/** What a webhook is read as: `storedWebhookOf` takes it. */
const WEBHOOK = 'SELECT id, created_us, revision, failing_since_us, alarmed_us, record FROM webhooks'
/** The newest first, from behind a place on; without the deleted ones, which are in no index that it may use. */
const PAGE = '(created_us, id) < (?, ?) AND deleted_us IS NULL AND is_active BETWEEN ? AND ? ORDER BY created_us DESC, id DESC LIMIT ?'

/** The writer's statements on webhooks. */
export const WEBHOOK_WRITES = {
  findWebhook: 'SELECT id, revision, is_active, deleted_us FROM webhooks WHERE webhook_id = ?',
  countWebhooks: 'SELECT count(*) AS count FROM webhooks WHERE workspace = ? AND deleted_us IS NULL',
  insertWebhook:
    'INSERT INTO webhooks (webhook_id, workspace, created_us, is_active, revision, alarmed_us, record) VALUES (?, ?, ?, ?, 1, ?, ?)',
  // Behind the equals sign it is all as it was: switched on again, failing begins anew.
  updateWebhook:
    'UPDATE webhooks SET revision = revision + 1, failing_since_us = iif(is_active < ?1, NULL, failing_since_us), is_active = ?1, ' +
    'alarmed_us = coalesce(?2, alarmed_us), record = ?3 WHERE id = ?4',
  savedWebhook: `${WEBHOOK} WHERE webhook_id = ?`,
  // What is left of it names its deliveries' webhook; its secrets are gone from the record.
  deleteWebhook: "UPDATE webhooks SET deleted_us = ?, is_active = 0, record = '{}' WHERE id = ?",
  countChange: 'UPDATE outbox SET webhooks_version = webhooks_version + 1',
  deletedOnes:
    'SELECT id, deleted_us, EXISTS (SELECT 1 FROM deliveries WHERE webhook = webhooks.id) AS has_deliveries ' +
    'FROM webhooks INDEXED BY webhooks_deleted WHERE deleted_us IS NOT NULL AND (deleted_us, id) > (?, ?) ORDER BY deleted_us, id LIMIT ?',
  forgetReplays: 'DELETE FROM replays WHERE id IN (SELECT id FROM replays WHERE webhook = ? LIMIT ?)',
  forgetWebhook: 'DELETE FROM webhooks WHERE id = ?',
} as const

/** The reader's statements on the same. */
export const WEBHOOK_READS = {
  webhook: `${WEBHOOK} WHERE webhook_id = ? AND deleted_us IS NULL`,
  webhooks: `${WEBHOOK} WHERE ${PAGE}`,
  webhooksOfWorkspace: `${WEBHOOK} WHERE workspace = ? AND ${PAGE}`,
} as const
