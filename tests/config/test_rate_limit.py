from datetime import timedelta

from tests.config.case import ConfigCase


class RateLimitTests(ConfigCase):
    def test_a_limit_keeps_the_default_of_what_is_not_set(self) -> None:
        config = self.config("rateLimit: {lookup: {burst: 100}, mailTotal: {per: 250ms}}")
        lookup, mail = config.rate_limit.lookup, config.rate_limit.mail_total
        self.assertEqual((lookup.burst, lookup.per), (100, timedelta(milliseconds=5)))
        self.assertEqual((mail.burst, mail.per), (1000, timedelta(milliseconds=250)))

    def test_durations(self) -> None:
        for text, seconds in (("5ms", 0.005), ("' 1500 ms'", 1.5), ("2s", 2), ("1h 30m", 5400), ("100d", 8_640_000)):
            config = self.config(f"rateLimit: {{register: {{per: {text}}}}}")
            self.assertEqual(config.rate_limit.register.per.total_seconds(), seconds)

    def test_what_is_no_limit(self) -> None:
        for key, text in (
            ("per", "0s"),
            ("per", "0ms"),
            ("per", "101d"),
            ("per", "-1s"),
            ("per", "ms"),
            ("burst", "0"),
            ("burst", "1000001"),
            ("burst", "many"),
        ):
            self.refuses(f"rateLimit: {{submitToken: {{{key}: {text}}}}}", f"rateLimit.submitToken.{key}: expected")
        self.refuses("rateLimit: {exempt: [everybody]}", "rateLimit.exempt[0]: expected")
        self.refuses("rateLimit: {mailPerAdress: {burst: 1}}", "rateLimit.mailPerAdress: unknown key")

    def refuses(self, text: str, problem: str) -> None:
        self.assertIn(problem, self.problems(text)[0])

    def test_countries(self) -> None:
        # NO is Norway, and no to YAML.
        msisdn = self.config("threepid: {medium: {msisdn: {allowCountries: [de, NO, +49, 44, '+881']}}}")
        self.assertEqual(msisdn.threepid.medium.msisdn.allow_countries, ("DE", "NO", "+49", "+44", "+881"))
        for country in ("Germany", "XX", "+999", "''", "٤٩"):
            key = "threepid.medium.msisdn.denyCountries"
            self.refuses(f"threepid: {{medium: {{msisdn: {{denyCountries: [{country}]}}}}}}", f"{key}[0]: expected")
