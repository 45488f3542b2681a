<?php
/** Receives webhooks and checks who sent them. Needs PHP 8 alone: php -S 127.0.0.1:3000 verify_webhook.php */

declare(strict_types=1);

const TOLERANCE_SECONDS = 300;

/** A generated secret (whsec_…) holds the key in base64; any other secret is the key. */
function webhook_key(string $secret): string
{
    $encoded = str_starts_with($secret, 'whsec_') ? substr($secret, 6) : '';
    $key = strlen($encoded) % 4 === 0 ? base64_decode($encoded, strict: true) : false;
    return $key !== false && strlen($key) >= 16 ? $key : $secret;
}

function is_genuine(string $body, string $id, string $timestamp, string $signatures, string $secret): bool
{
    if (!preg_match('/^[0-9]{1,15}$/D', $timestamp) || abs(time() - (int) $timestamp) > TOLERANCE_SECONDS) {
        return false;
    }
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", webhook_key($secret), binary: true));
    // While the secret is being replaced there are two signatures; one must match.
    $matching = array_filter(explode(' ', $signatures), fn (string $one) => hash_equals($expected, $one));
    return $matching !== [];
}

// Until it is done: PHP may answer 200 when a program fails, and the delivery would not come again.
http_response_code(500);
// The bytes as they came: JSON that was parsed and written again has another signature.
$body = file_get_contents('php://input');
$headers = array_map(fn (string $name) => $_SERVER["HTTP_WEBHOOK_$name"] ?? '', ['ID', 'TIMESTAMP', 'SIGNATURE']);
if (!is_genuine($body, ...[...$headers, getenv('TRIGGERS_WEBHOOK_SECRET')])) {
    http_response_code(400);
    exit('Not a genuine webhook');
}
$event = json_decode($body);
file_put_contents('php://stdout', "$event->event_type " . json_encode($event->payload) . "\n");
http_response_code(204);
