from tests.config.case import ConfigCase

SMTP = "threepid.medium.email.connectors.smtp"


class EnvironmentTests(ConfigCase):
    def smtp(self, keys: str) -> str:
        return f"threepid: {{medium: {{email: {{identity: {{from: a@b.org}}, connectors: {{smtp: {{{keys}}}}}}}}}}}"

    def test_values(self) -> None:
        text = self.smtp("host: '${NAME}.example.org', port: '${PORT}', password: '${PASSWORD}'")
        smtp = self.config(text, NAME="mail", PORT="25", PASSWORD="${NAME}").threepid.medium.email.connectors.smtp
        self.assertEqual((smtp.host, smtp.port, smtp.password), ("mail.example.org", 25, "${NAME}"))

    def test_empty_is_not_set(self) -> None:
        smtp = self.config(self.smtp("port: '${PORT}', login: '${LOGIN}'"), PORT="", LOGIN="").threepid.medium.email
        self.assertEqual((smtp.connectors.smtp.port, smtp.connectors.smtp.login), (587, None))

    def test_escape(self) -> None:
        smtp = self.config(self.smtp("login: 'a$${NAME}$b$$'"), NAME="x").threepid.medium.email.connectors.smtp
        self.assertEqual(smtp.login, "a${NAME}$b$$")

    def test_what_begins_no_variable_is_text(self) -> None:
        for text in ("a${b", "${}", "${NOBODY:-me}", "p${ss}w", "at ${NOBODY}", "${nobody}"):
            config = self.config(self.smtp(f"login: '{text}'"))
            self.assertEqual(config.threepid.medium.email.connectors.smtp.login, text)
            self.assertIn(f"{SMTP}.login: ${{ in it is text, as in mxisd", "".join(config.warnings))
        warnings = self.config(self.smtp("login: '$${NOBODY}', password: '${A}-$${'"), A="${").warnings
        self.assertNotIn("is text", "".join(warnings))

    def test_mistakes(self) -> None:
        for keys, problem in [
            ("port: '${PORT}'", f"{SMTP}.port: expected a port from 1 to 65535, found 'x' (line 2)"),
            ("login: '${NOBODY}'", f"{SMTP}.login: the environment variable NOBODY is not set (line 2)"),
        ]:
            self.assertEqual(self.problems(self.smtp(keys), PORT="x"), [problem])


class SecretTests(ConfigCase):
    def password(self, keys: str) -> str:
        return f"threepid: {{medium: {{email: {{connectors: {{smtp: {{{keys}}}}}}}}}}}"

    def test_from_a_file_beside_the_configuration(self) -> None:
        self.write("password.txt", " s3cret \n")
        config = self.config(self.password("passwordFile: '${WHAT}.txt'"), WHAT="password")
        self.assertEqual(config.threepid.medium.email.connectors.smtp.password, " s3cret ")

    def test_every_secret_has_a_file(self) -> None:
        self.write("secret", "redis://somewhere\n")
        config = self.config(
            """
            storage: {provider: {redis: {urlFile: secret}}}
            threepid: {medium: {msisdn: {connectors: {twilio: {auth_tokenFile: secret}}}}}
            appsvc: {endpoint: {toAS: {tokenFile: secret}}}
            ldap: {connection: {bindPasswordFile: secret}}
            """
        )
        self.assertEqual(
            {
                config.storage.provider.redis.url,
                config.threepid.medium.msisdn.connectors.twilio.auth_token,
                config.appsvc.endpoint.to_as.token,
                config.ldap[0].connection.bind_password,
            },
            {"redis://somewhere"},
        )
        again = self.config("threepid: {medium: {msisdn: {connectors: {twilio: {authTokenFile: secret}}}}}")
        self.assertEqual(again.threepid.medium.msisdn.connectors.twilio.auth_token, "redis://somewhere")

    def test_mistakes(self) -> None:
        self.write("empty", "\n")
        (self.directory / "binary").write_bytes(b"\xff")
        for keys, problem in [
            ("password: a, passwordFile: b", f"{SMTP}.passwordFile: expected only one of password and passwordFile"),
            ("passwordFile: x", f"{SMTP}.passwordFile: cannot read {self.directory}/x: No such file or directory"),
            ("passwordFile: empty", f"{SMTP}.passwordFile: {self.directory}/empty is empty"),
            ("passwordFile: binary", f"{SMTP}.passwordFile: cannot read {self.directory}/binary: not UTF-8"),
            ("passwordFile: '${X}'", f"{SMTP}.passwordFile: the environment variable X is not set"),
            ("loginFile: x", f"{SMTP}.loginFile: unknown key; did you mean {SMTP}.login?"),
        ]:
            self.assertEqual(self.problems(self.password(keys)), [f"{problem} (line 2)"])

    def test_no_message_shows_them(self) -> None:
        problems = self.problems("storage: {backend: redis, provider: {redis: {url: 'http://:s3cret@redis'}}}")
        self.assertEqual(
            problems,
            [
                (
                    "storage.provider.redis.url: "
                    "expected a URL such as redis://localhost:6379/0, rediss://… or unix:/path (line 2)"
                )
            ],
        )
        http = "threepid: {medium: {msisdn: {connector: http, connectors: {http: {url: '%s'}}}}}"
        for text in (
            http % "https://me:s3cret@sms.example/send",
            http % "sms.example/s3cret",
            "rest: {enabled: true, host: 'https://me:s3cret@rest.example/api'}",
            "rest: {enabled: true, host: 'https://rest.example/api?key=s3cret'}",
            "rest: {enabled: true, host: 'me:s3cret@rest.example'}",
            "rest: {enabled: true, host: 'https://h', endpoints: {auth: 'me:s3cret@rest.example/auth'}}",
            "rest: {enabled: true, host: 'https://h', endpoints: {auth: 'https://me:s3cret@rest.example'}}",
            "appsvc: {enabled: true, endpoint: {toHS: {url: 'https://hs.example/#s3cret'}}}",
            "server: {publicUrl: 'https://me:s3cret@is.example'}",
            "outbound: {allowedNetworks: ['https://me:s3cret@is.example']}",
            "server: {bind: ['https://me:s3cret@is.example']}",
            "server: {port: 'https://me:s3cret@is.example'}",
            "session: {policy: {unbind: {enabled: 'https://me:s3cret@is.example'}}}",
        ):
            problems = self.problems(text)
            self.assertNotIn("s3cret", "".join(problems), text)
        for text in (
            "rest: {'https://me:s3cret@is.example': 1}",
            "forward: {servers: ['https://me:s3cret@is.example']}",
            "rest: {host: 'https://me:s3cret@is.example'}",
            "logging: {app: 'https://me:s3cret@is.example'}",
            "server: {publicUrl: is.example/s3cret}\nserver: {}",
        ):
            self.assertNotIn("s3cret", "".join(self.config(text).warnings), text)
        shown = self.problems("rest: {enabled: true, host: 'https://me:s3cret@rest.example/api?x'}")
        self.assertIn("found 'https://…@rest.example/api?…'", shown[0])
        config = self.config(http % "https://sms.example/s3cret")
        self.assertNotIn("s3cret", repr(config))
        config = self.config(self.password("password: s3cret"))
        self.assertNotIn("s3cret", repr(config))
        self.assertIn("password='…'", repr(config))
