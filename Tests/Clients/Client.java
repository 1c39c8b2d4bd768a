// java.net.http
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

public class Client {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();
        var input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            var words = line.split("\t", -1);
            var isStream = words[0].equals("EVENTS");
            var body = words[2].equals("-")
                ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(words[2]);
            var request = HttpRequest.newBuilder(URI.create(arguments[0] + words[1]))
                .method(isStream ? "GET" : words[0], body);
            for (int i = 3; i < words.length; i++) {
                var field = words[i].split(": ", 2);
                request.header(field[0], field[1]);
            }
            String text;
            int status;
            java.net.http.HttpHeaders headers;
            if (isStream) {
                var response = client.send(request.build(), BodyHandlers.ofLines());
                status = response.statusCode();
                headers = response.headers();
                text = response.body().filter(each -> each.startsWith("data: ")).findFirst().orElse("").substring(6);
                response.body().close();
            } else {
                var response = client.send(request.build(), BodyHandlers.ofString());
                status = response.statusCode();
                headers = response.headers();
                text = response.body();
            }
            System.out.println(status + "\t" + headers.firstValue("ETag").orElse("") + "\t" + text.replace("\n", "\\n"));
        }
        System.exit(0);
    }
}
