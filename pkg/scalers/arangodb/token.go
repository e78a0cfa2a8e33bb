package arangodb

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// token is what the server takes in the mode bearer: what is given when that
// is a JSON Web Token, and else one that is signed with it, the cluster's
// secret: https://docs.arangodb.com/stable/develop/http-api/authentication/
func token(given, serverID string) string {
	if isToken(given) {
		return given
	}
	encode := base64.RawURLEncoding.EncodeToString
	claims, _ := json.Marshal(map[string]string{"iss": "arangodb", "server_id": serverID}) // texts can be encoded
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(claims)
	mac := hmac.New(sha256.New, []byte(given))
	_, _ = mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

// isToken says whether text has the form of a JSON Web Token.
func isToken(text string) bool {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	var header struct {
		Algorithm string `json:"alg"`
	}
	return err == nil && json.Unmarshal(raw, &header) == nil && header.Algorithm != ""
}
