import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import org.springframework.security.oauth2.client.endpoint.NimbusJwtClientAuthenticationParametersConverter;
import org.springframework.security.oauth2.client.endpoint.OAuth2ClientCredentialsGrantRequest;
import org.springframework.security.oauth2.client.endpoint.RestClientClientCredentialsTokenResponseClient;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.ClientRegistrations;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

/**
 * Java libraries of others against a running Latchkey. Reads its variables, prints one line of JSON for each client that got
 * through, and ends with an exception at the first that did not.
 */
public class Judge {
  static final String issuer = System.getenv("ISSUER");
  static final String resource = System.getenv("RESOURCE");
  static final String id = System.getenv("CLIENT_ID");
  static final String secret = System.getenv("CLIENT_SECRET");
  static final String keyedId = System.getenv("KEYED_CLIENT_ID");
  static final String keyId = System.getenv("KEY_ID");

  public static void main(String[] arguments) throws Exception {
    RSAKey key = RSAKey.parse(Files.readString(Path.of(System.getenv("JWK_FILE"))));
    nimbus(key);
    spring(key);
  }

  static void nimbus(RSAKey key) throws Exception {
    AuthorizationServerMetadata metadata = AuthorizationServerMetadata.resolve(new Issuer(issuer));
    URI endpoint = metadata.getTokenEndpointURI();
    passes(nimbusToken(endpoint, new ClientSecretBasic(new ClientID(id), new Secret(secret))));
    tell("Nimbus", "");
    // The audience is the token endpoint, in a list of one.
    PrivateKeyJWT assertion =
        new PrivateKeyJWT(new ClientID(keyedId), endpoint, JWSAlgorithm.RS256, key.toPrivateKey(), keyId, null);
    passes(nimbusToken(endpoint, assertion));
    tell("Nimbus private_key_jwt", "assertionProfile: rfc7523");
  }

  static String nimbusToken(URI endpoint, ClientAuthentication authentication) throws Exception {
    TokenRequest request = new TokenRequest(endpoint, authentication, new ClientCredentialsGrant());
    TokenResponse answer = TokenResponse.parse(request.toHTTPRequest().send());
    if (!answer.indicatesSuccess()) throw new Exception(answer.toErrorResponse().getErrorObject().toString());
    return answer.toSuccessResponse().getTokens().getAccessToken().getValue();
  }

  static void spring(RSAKey key) throws Exception {
    ClientRegistration bySecret = ClientRegistrations.fromIssuerLocation(issuer)
        .clientId(id).clientSecret(secret)
        .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS).build();
    RestClientClientCredentialsTokenResponseClient client = new RestClientClientCredentialsTokenResponseClient();
    String token = springToken(client, bySecret);
    passes(token);
    tell("Spring Security", "");

    ClientRegistration byKey = ClientRegistration.withClientRegistration(bySecret)
        .clientId(keyedId).clientSecret(null)
        .clientAuthenticationMethod(ClientAuthenticationMethod.PRIVATE_KEY_JWT).build();
    RSAKey named = new RSAKey.Builder(key).keyID(keyId).build();
    client.addParametersConverter(new NimbusJwtClientAuthenticationParametersConverter<>(registration -> named));
    passes(springToken(client, byKey));
    tell("Spring Security private_key_jwt", "assertionProfile: rfc7523");

    NimbusJwtDecoder decoder = NimbusJwtDecoder.withIssuerLocation(issuer).validateType(false).build();
    decoder.setJwtValidator(
        JwtValidators.createAtJwtValidator().issuer(issuer).audience(resource).clientId(id).build());
    Jwt jwt = decoder.decode(token);
    if (!id.equals(jwt.getClaimAsString("client_id"))) throw new Exception("client_id is " + jwt.getClaims());
    tell("Spring Security resource server", "validateType(false), createAtJwtValidator()");
  }

  static String springToken(RestClientClientCredentialsTokenResponseClient client, ClientRegistration registration) {
    return client.getTokenResponse(new OAuth2ClientCredentialsGrantRequest(registration)).getAccessToken().getTokenValue();
  }

  static void passes(String token) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("API")))
        .header("Authorization", "Bearer " + token).build();
    int status = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
    if (status != 200) throw new Exception("the API answered " + status);
  }

  static void tell(String client, String settings) {
    System.out.printf("{\"client\":\"%s\",\"settings\":\"%s\"}%n", client, settings);
  }
}
