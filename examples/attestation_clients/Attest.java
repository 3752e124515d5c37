// Prove to the verification service that this is an Azure machine, and print its claims. Run it with `java Attest.java` (JDK 11).
// VERIFIER_URL is the address of the service, and VERIFIER_KEY is your key to the service. Set IMDS_URL only in tests.
// With a JSON library, this program would be shorter.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.regex.Pattern;

public class Attest {
    static final String SERVICE = System.getenv("VERIFIER_URL"), KEY = "Bearer " + System.getenv("VERIFIER_KEY");

    static String post(String path, String body) throws Exception {
        return send(HttpRequest.newBuilder(URI.create(SERVICE + path)).header("Authorization", KEY)
            .header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    static String send(HttpRequest.Builder request) throws Exception {
        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var response = client.send(request.build(), BodyHandlers.ofString());
        if (response.statusCode() != 200) throw new Exception("refused: " + response.statusCode());
        return response.body();
    }

    static String member(String name, String json) {
        var found = Pattern.compile("\"" + name + "\":\\s*\"([^\"\\\\]+)\"").matcher(json);
        if (!found.find()) throw new IllegalArgumentException("no " + name);
        return found.group(1);
    }

    public static void main(String[] arguments) throws Exception {
        var imds = System.getenv().getOrDefault("IMDS_URL", "http://169.254.169.254");
        var nonce = member("nonce", post("/v1/challenges", "{}"));
        var query = "/metadata/attested/document?api-version=2021-02-01&nonce=" + nonce;
        var document = send(HttpRequest.newBuilder(URI.create(imds + query)).header("Metadata", "true"));
        var signature = member("signature", document); // base64, which needs no escapes
        System.out.println(post("/v1/attestations", "{\"nonce\":\"" + nonce + "\",\"document\":\"" + signature + "\"}"));
    }
}
