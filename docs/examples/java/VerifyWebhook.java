/** Receives webhooks on PORT and checks who sent them. Needs Java 17 or newer alone: java VerifyWebhook.java */

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.concurrent.Executors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class VerifyWebhook {
    static final String SECRET = System.getenv("TRIGGERS_WEBHOOK_SECRET");
    static final long TOLERANCE_SECONDS = 300;
    static final int MAX_BODY_BYTES = 1_000_000;

    public static void main(String[] args) throws IOException {
        if (SECRET == null) throw new IllegalStateException("Set TRIGGERS_WEBHOOK_SECRET to the secret of the webhook.");
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "3000"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/webhooks", VerifyWebhook::receive);
        server.start();
        System.out.println("Receiving webhooks on port " + port);
    }

    static void receive(HttpExchange exchange) throws IOException {
        try (exchange) {
            // The bytes as they came: JSON that was parsed and written again has another signature.
            byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY_BYTES + 1);
            if (body.length > MAX_BODY_BYTES) {
                exchange.sendResponseHeaders(413, -1);
            } else if (!isGenuine(body, header(exchange, "webhook-id"), header(exchange, "webhook-timestamp"), header(exchange, "webhook-signature"))) {
                exchange.sendResponseHeaders(400, -1);
            } else {
                // The event: read it with the JSON library of your choice.
                System.out.println(new String(body, UTF_8));
                exchange.sendResponseHeaders(204, -1);
            }
        }
    }

    static boolean isGenuine(byte[] body, String id, String timestamp, String signatures) {
        if (!timestamp.matches("[0-9]{1,15}")) return false;
        if (Math.abs(System.currentTimeMillis() / 1000 - Long.parseLong(timestamp)) > TOLERANCE_SECONDS) return false;
        var signed = new ByteArrayOutputStream();
        signed.writeBytes((id + "." + timestamp + ".").getBytes(UTF_8));
        signed.writeBytes(body);
        byte[] expected = ("v1," + Base64.getEncoder().encodeToString(hmac(signed.toByteArray()))).getBytes(UTF_8);
        // While the secret is being replaced there are two signatures; one must match.
        boolean matches = false;
        for (String one : signatures.split(" ")) matches |= MessageDigest.isEqual(expected, one.getBytes(UTF_8));
        return matches;
    }

    /** A generated secret (whsec_…) holds the key in base64; any other secret is the key. */
    static byte[] key() {
        String encoded = SECRET.startsWith("whsec_") ? SECRET.substring("whsec_".length()) : "";
        try {
            byte[] key = Base64.getDecoder().decode(encoded);
            if (key.length >= 16 && encoded.length() % 4 == 0) return key;
        } catch (IllegalArgumentException notBase64) {
            // It was chosen by somebody, and is the key itself.
        }
        return SECRET.getBytes(UTF_8);
    }

    static byte[] hmac(byte[] signed) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key(), "HmacSHA256"));
            return mac.doFinal(signed);
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    static String header(HttpExchange exchange, String name) {
        String value = exchange.getRequestHeaders().getFirst(name);
        return value == null ? "" : value;
    }
}
