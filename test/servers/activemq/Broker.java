import com.sun.net.httpserver.BasicAuthenticator;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import org.apache.activemq.broker.BrokerService;
import org.jolokia.backend.BackendManager;
import org.jolokia.config.ConfigKey;
import org.jolokia.config.Configuration;
import org.jolokia.http.HttpRequestHandler;
import org.jolokia.restrictor.PolicyRestrictor;
import org.jolokia.util.LogHandler;

/**
 * ActiveMQ Classic with Jolokia where its web console has it, with the console's rules: a user, and
 * an origin on this machine. POST /password changes the user's password.
 */
public class Broker {
  private static final String POLICY =
      "<restrict><cors><allow-origin>*://127.0.0.1*</allow-origin><strict-checking/></cors></restrict>";

  private static volatile String password;

  public static void main(String[] args) throws Exception {
    password = args[1];
    BrokerService broker = new BrokerService();
    broker.setBrokerName("localhost");
    broker.setPersistent(false);
    broker.setUseJmx(true);
    broker.getManagementContext().setCreateConnector(false);
    broker.setUseShutdownHook(false);
    broker.start();
    broker.waitUntilStarted();

    LogHandler log = new LogHandler.StdoutLogHandler(false);
    PolicyRestrictor rules = new PolicyRestrictor(new ByteArrayInputStream(POLICY.getBytes(StandardCharsets.UTF_8)));
    Configuration config = new Configuration(ConfigKey.AGENT_ID, "test");
    HttpRequestHandler jolokia = new HttpRequestHandler(config, new BackendManager(config, log, rules), log);
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 0);
    server.setExecutor(Executors.newFixedThreadPool(8));
    server.createContext("/api/jolokia", e -> answer(e, jolokia)).setAuthenticator(
        new BasicAuthenticator("ActiveMQ") {
          @Override
          public boolean checkCredentials(String user, String given) {
            return user.equals("keda") && given.equals(password);
          }
        });
    server.createContext("/password", e -> {
      password = new String(e.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      send(e, 200, "");
    });
    server.start();
    System.in.read(); // the test holds the other end
    Runtime.getRuntime().halt(0);
  }

  private static void answer(HttpExchange e, HttpRequestHandler jolokia) throws IOException {
    String uri = e.getRequestURI().toString();
    Map<String, String[]> parameters = new HashMap<>();
    Object json;
    try {
      jolokia.checkAccess("localhost", "127.0.0.1", e.getRequestHeaders().getFirst("Origin"));
      if (e.getRequestMethod().equals("POST")) {
        json = jolokia.handlePostRequest(uri, e.getRequestBody(), "UTF-8", parameters);
      } else {
        String path = e.getRequestURI().getPath().substring("/api/jolokia".length());
        json = jolokia.handleGetRequest(uri, path, parameters);
      }
    } catch (Throwable t) {
      json = jolokia.handleThrowable(t);
    }
    send(e, 200, json.toString());
  }

  private static void send(HttpExchange e, int status, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    e.getResponseHeaders().set("Content-Type", "application/json");
    e.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    try (OutputStream out = e.getResponseBody()) {
      out.write(body);
    }
  }
}
