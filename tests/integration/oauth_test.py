"""Tokens: refreshed when they must be, by one process at a time, kept through whatever the provider does, and by nobody
who has not proved himself."""

import base64
import os
import re
import socket
import subprocess
import threading
import time

import tap
from oauthcase import OAuthCase, RefreshCase
from oauthserver import SECRET, OAuthServer, always, stall

OK = rb"^\+OK"
AUTH = rb"^-ERR \[AUTH\]"
TEMP = rb"^-ERR \[SYS/TEMP\]"
PERM = rb"^-ERR \[SYS/PERM\]"
NO_TOKEN = rb"^-ERR \[SYS/PERM\] .*popgate oauth status"


class Refresh(RefreshCase):
    def test_login_opens_the_mailbox_at_once_and_while_it_runs(self):
        self.provide(users=("ann", "bob"))
        self.gate.start()
        self.gate.expect_warning(r"login_failed .*user=ann .*popgate oauth login ann")
        self.assertRegex(self.login("ann"), NO_TOKEN)
        said = self.log_in_by_device()
        self.assertIn("WDJB-MJHT", said)
        self.assertIn("https://provider.example/device", said)
        self.assertRegex(self.login("ann"), OK)
        self.assertRegex(self.login("ANN"), OK)
        self.assertEqual(self.asked(), [])  # the token of the login is good
        self.gate.stop()

    def test_token_near_its_end_is_refreshed_once_and_kept(self):
        self.begin()
        self.assertRegex(self.login("ann"), OK)
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(len(self.asked()), 1)
        self.assertEqual(set(self.asked()[0]), {"grant_type", "refresh_token", "client_id"})
        self.reload()
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(len(self.asked()), 1)
        self.gate.stop()

    def test_token_of_a_short_life_is_refreshed_once_for_a_login(self):
        self.provide(server=OAuthServer(lifetime=60), movable=True)
        self.log_in()
        self.gate.start()
        self.later(35)
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(len(self.asked()), 1)
        self.gate.stop()

    def test_rotated_refresh_token_is_the_one_that_is_used_next(self):
        self.begin()
        self.server.lifetime = 30  # the agent asks anew, sessions are content
        for _ in range(3):
            self.assertRegex(self.login("ann"), OK)
        used = [form["refresh_token"] for form in self.asked()]
        self.assertEqual(len(set(used)), 3)
        self.gate.stop()

    def test_refresh_token_that_is_not_rotated_stays(self):
        self.begin(server=OAuthServer(lifetime=30, rotate=False))
        self.server.lifetime = 30  # the agent asks anew, sessions are content
        for _ in range(3):
            self.assertRegex(self.login("ann"), OK)
        self.assertEqual(len({form["refresh_token"] for form in self.asked()}), 1)
        self.gate.stop()

    def test_longest_token_can_be_sent_again(self):
        """Though each octet of it has to be encoded."""
        self.provide(server=OAuthServer(lifetime=30))
        longest = "%" * 8000
        self.server.on["/token"] = [lambda form: (200, {**self.server.new_tokens(), "refresh_token": longest})]
        self.log_in()
        self.server.refresh_tokens.add(longest)
        self.server.lifetime = 3600
        self.gate.start()
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual([form["refresh_token"] for form in self.asked()], [longest])
        self.gate.stop()

    def test_wrong_local_password_never_touches_a_token(self):
        self.begin()
        before = self.rows()
        for password in ("wrong", "", "local "):
            self.assertRegex(self.login("ann", password), AUTH if password else rb"^-ERR")
        self.assertEqual(self.asked(), [])
        self.assertEqual(self.rows(), before)
        self.gate.stop()

    def test_token_that_the_mail_server_refuses_is_renewed(self):
        self.begin(movable=True)
        self.assertRegex(self.login("ann"), OK)
        self.later(31)  # of one that is younger the mail server would refuse the next as well
        self.server.accept()
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(len(self.asked()), 2)
        self.gate.stop()

    def test_token_just_made_that_is_refused_is_no_reason_for_more(self):
        self.begin()
        self.server.on["/token"] = lambda form: self.refused_token()
        self.gate.expect_warning(r"login_failed .*status=perm .*just made")
        for _ in range(3):
            self.assertRegex(self.login("ann"), PERM)
        self.assertEqual(len(self.asked()), 1)
        self.gate.stop()

    def refused_token(self):
        answer = self.server.new_tokens()
        self.server.accept()
        return 200, answer

    # ---- one at a time ----------------------------------------------------------

    def log_in_many(self, count, users=("ann",)):
        replies = []
        threads = [threading.Thread(target=lambda i=i: replies.append(self.login(users[i % len(users)])))
                   for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return replies

    def test_input_65_many_logins_make_one_refresh(self):
        self.begin()
        self.server.on["/token"] = stall(1)
        replies = self.log_in_many(8)
        # the maildrop is locked by whoever has it
        self.assertEqual([reply for reply in replies if not re.match(rb"^\+OK|^-ERR \[IN-USE\]", reply)], [])
        self.assertTrue(any(reply.startswith(b"+OK") for reply in replies))
        self.assertEqual(len(self.asked()), 1)
        self.gate.allow_warning("in_use")
        self.gate.stop()

    def test_users_do_not_wait_for_each_other(self):
        self.begin(users=("ann", "bob"))
        release = threading.Event()
        first = self.server.refresh_tokens.copy()
        self.server.on["/token"] = [lambda form: release.wait(20) and None]
        thread = threading.Thread(target=self.login, args=("ann",))
        thread.start()
        self.gate.wait_until(self.asked, "ann's request")
        self.assertRegex(self.login("bob"), OK)
        self.assertTrue(thread.is_alive())
        release.set()
        thread.join(30)
        self.assertEqual(len(first), 2)
        self.gate.stop()

    # ---- providers that fail ----------------------------------------------------

    def fails(self, handler, words, wait=None, used=1):
        """TEMP, no second request for some seconds, and the refresh token is still there; once `wait` has let that
        time pass, good; used: refresh tokens by then."""
        self.begin(movable=True)
        self.server.on["/token"] = [handler]
        self.gate.expect_warning(rf"login_failed .*status=temp .*{words}")
        self.gate.expect_warning(rf"login_failed .*status=temp .*{words}.*asked again in")
        self.assertRegex(self.login("ann"), TEMP)
        self.assertRegex(self.login("ann"), TEMP)
        self.assertEqual(len(self.asked()), 1)
        self.assertRegex(self.popgate_status(), f"{words}.*asked again")
        if wait is not None:
            wait(6)
            self.assertRegex(self.login("ann"), OK)
            self.assertEqual(len({form["refresh_token"] for form in self.asked()}), used)
        self.gate.stop()

    def test_input_65_server_error(self):
        self.fails(always(503, {"error": "temporarily_unavailable"}), "status 503", wait=self.later)

    def test_input_65_endless_json(self):
        self.fails(always(200, b'{"access_token":"' + b"x" * 10_000_000 + b'"}'), "longer than", wait=self.later)

    def test_input_65_deep_json(self):
        self.fails(always(200, b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), "no JSON object")

    def test_input_65_json_that_is_none(self):
        self.fails(always(200, b"<html>Log in to the hotel's network</html>"), "no JSON object")

    def test_input_65_token_that_is_none(self):
        self.fails(always(200, {"access_token": "a\x01b\r\nc", "token_type": "Bearer"}), "no access token")

    def test_input_65_refresh_token_that_is_none(self):
        self.fails(always(200, {"access_token": "good", "refresh_token": ["x"]}), "refresh token that is malformed")

    def test_input_65_new_refresh_token_beside_a_useless_access_token(self):
        """The old one is spent: the new one is the only way on, however little else the answer is worth."""
        self.fails(lambda form: (200, {**self.rotate(form), "access_token": "a\x01b"}), "no access token", wait=self.later,
                   used=2)
        self.fails(lambda form: (200, {**self.rotate(form), "token_type": "MAC"}), "another type", wait=self.later, used=2)

    def rotate(self, form):
        self.server.refresh_tokens.discard(form["refresh_token"])
        return self.server.new_tokens()

    def test_input_65_other_type_of_token(self):
        self.fails(always(200, {"access_token": "good", "token_type": "MAC"}), "another type")

    def test_redirect_is_not_followed(self):
        self.fails(lambda _: (307, b"", {"Location": self.server.url("/elsewhere")}), "status 307")
        self.assertEqual({path for path, _ in self.server.asked}, {"/token"})

    def test_input_65_provider_that_asks_to_wait(self):
        self.fails(always(429, {"error": "slow_down"}, {"Retry-After": "20"}), "status 429")
        self.assertEqual(len(self.asked()), 1)

    def test_input_65_endpoint_that_stalls(self):
        """TEMP though it never answers, and others are served meanwhile, also one whose first answer is an error, once
        its time has really passed."""
        self.begin(users=("ann", "bob"))
        release = threading.Event()
        self.addCleanup(release.set)
        self.server.on["/token"] = [lambda form: release.wait(300) and None,
                                    always(503, {"error": "temporarily_unavailable"})]
        self.gate.expect_warning(r"login_failed .*user=ann .*status=temp .*[Tt]ime")
        self.gate.expect_warning(r"login_failed .*user=bob .*status=temp .*status 503")
        self.gate.expect_warning(r"login_failed .*user=bob .*status=temp .*asked again in")
        replies = []
        thread = threading.Thread(target=lambda: replies.append(self.login("ann")))
        thread.start()
        self.gate.wait_until(self.asked, "ann's request")
        self.assertRegex(self.login("bob"), TEMP)
        self.assertRegex(self.login("bob"), TEMP)
        self.assertEqual(len(self.asked()), 2)
        time.sleep(6)
        self.assertRegex(self.login("bob"), OK)
        thread.join(60)
        self.assertRegex(replies[0], TEMP)
        self.gate.stop()

    def test_answer_that_is_no_http(self):
        self.begin()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def answer():
                peer, _ = listener.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(b"220 another service\r\n")

            self.gate.sections["oauth"][0].update(insecure_loopback=True,
                                                  token_endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}/token")
            self.reload()
            thread = threading.Thread(target=answer)
            thread.start()
            self.gate.expect_warning(r"login_failed .*status=temp .*/token")
            self.assertRegex(self.login("ann"), TEMP)
            thread.join(10)
        self.gate.stop()

    def test_provider_that_is_away(self):
        self.begin()
        self.server.httpd.shutdown()
        self.server.httpd.socket.close()
        self.gate.expect_warning(r"login_failed .*status=temp .*connect")
        self.assertRegex(self.login("ann"), TEMP)
        self.gate.stop()

    def test_provider_with_another_certificate_gets_nothing(self):
        self.begin()
        other = OAuthServer()  # of another authority
        self.addCleanup(other.close)
        self.gate.sections["oauth"][0]["token_endpoint"] = other.url("/token")
        self.reload()
        self.gate.expect_warning(r"login_failed .*status=temp .*(certificate|peer)")
        self.assertRegex(self.login("ann"), TEMP)
        self.assertEqual(other.asked, [])
        self.gate.stop()

    # ---- the end of a token -------------------------------------------------------

    def test_revoked_token_is_told_once_and_asked_for_no_more(self):
        self.begin()
        self.server.refresh_tokens.clear()
        self.gate.expect_warning(r"event=token_revoked provider=test user=ann msg=\".*invalid_grant")
        self.gate.expect_warning(r"login_failed .*status=perm .*popgate oauth login ann")
        for _ in range(3):
            self.assertRegex(self.login("ann"), NO_TOKEN)
        self.assertEqual(len(self.asked()), 1)
        self.assertIn("revoked", self.popgate_status())
        self.log_in()
        self.assertRegex(self.login("ann"), OK)
        self.gate.stop()

    def popgate_status(self):
        done = subprocess.run((self.gate.program, "oauth", "status", "-c", self.gate.config_file), text=True,
                              stdout=subprocess.PIPE, check=False)
        return done.stdout

    def test_client_that_is_refused_is_no_revoked_token(self):
        self.begin(movable=True)
        self.server.on["/token"] = [always(401, {"error": "invalid_client", "error_description": "expired\x1b[2J"})]
        self.gate.expect_warning(r"login_failed .*status=perm .*invalid_client")
        self.gate.expect_warning(r"login_failed .*status=perm .*invalid_client.*asked again in")
        for _ in range(2):
            self.assertRegex(self.login("ann"), NO_TOKEN)
        self.assertEqual(len(self.asked()), 1)
        said = self.popgate("oauth", "status", status=1)
        self.assertNotIn("\x1b", self.gate.log() + said)
        self.later(6)
        self.assertRegex(self.login("ann"), OK)
        self.gate.stop()

    def test_secrets_that_a_provider_repeats_are_not_logged(self):
        self.begin(movable=True)
        self.server.on["/token"] = [
            lambda form: (400, {"error": "invalid_request", "error_description": f"bad: {form['refresh_token']}"}),
            lambda form: (400, {"error": form["refresh_token"]})]
        self.gate.expect_warning(r'login_failed .*status=perm .*refuses: invalid_request"')
        self.gate.expect_warning(r'login_failed .*status=perm .*refuses: ')
        self.assertRegex(self.login("ann"), PERM)
        self.later(6)
        self.assertRegex(self.login("ann"), PERM)
        used = {form["refresh_token"] for form in self.asked()}
        self.assertEqual((len(self.asked()), len(used)), (2, 1))
        self.assertNotIn(used.pop(), self.gate.log())
        self.gate.stop()

    def test_logout_forgets(self):
        self.begin()
        self.assertIn("forgotten", self.popgate("oauth", "logout", "ann"))
        self.assertEqual(self.rows(), [])
        self.gate.expect_warning(r"login_failed .*popgate oauth login ann")
        self.assertRegex(self.login("ann"), PERM)
        self.assertEqual(self.asked(), [])
        self.gate.stop()

    def test_token_of_an_account_that_was_removed_can_be_forgotten(self):
        self.provide(users=("ann", "bob"))
        self.log_in("ann")
        self.log_in("bob")
        done = subprocess.run((self.gate.program, "account", "remove", "ann", "-c", self.gate.config_file), text=True,
                              stderr=subprocess.PIPE, check=True)
        self.assertIn("popgate oauth logout", done.stderr)
        self.assertIn("has forgotten the token", self.popgate("oauth", "logout", "ANN"))
        self.assertEqual([account for _, account, _ in self.rows()], ["bob"])
        self.assertIn("no token of it", self.popgate("oauth", "logout", "ann"))


class Clients(OAuthCase):
    """Applications that have a secret or a key, and a token of their own."""

    def write_secret(self, secret=SECRET):
        path = self.gate.path("client.secret")
        with open(path, "w", encoding="utf-8") as file:
            file.write(secret + "\n")
        os.chmod(path, 0o600)
        return path

    def test_application_that_is_refused_says_so_until_it_is_asked_again(self):
        self.provide(users=("ann", "bob"), movable=True)
        self.gate.sections["oauth"][0].update(grant="client_credentials", client_secret_file=self.write_secret())
        self.server.on["/token"] = [always(401, {"error": "invalid_client", "error_description": "bad secret"})]
        self.gate.start()
        self.assertRegex(self.state(1), "ann at test: no token was asked for yet")
        self.gate.expect_warning(r'login_failed .*user=ann .*status=perm .*invalid_client: bad secret"')
        self.gate.expect_warning(r"login_failed .*user=bob .*status=perm .*invalid_client: bad secret; .*asked again in")
        for user in ("ann", "bob"):
            self.assertRegex(self.login(user), NO_TOKEN)
        self.assertRegex(self.state(1), "bob at test: .*no token now .*invalid_client: bad secret.*asked again in")
        self.later(6)
        self.assertRegex(self.login("ann"), OK)
        self.assertRegex(self.state(0), "ann at test: good")
        self.gate.stop()

    def state(self, status):
        done = subprocess.run((self.gate.program, "oauth", "status", "-c", self.gate.config_file), text=True,
                              stdout=subprocess.PIPE, check=False, env={**os.environ, **self.gate.environment})
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def begin(self, **provider):
        self.provide(users=("ann", "bob"))
        self.gate.sections["oauth"][0].update(provider)
        self.gate.start()

    def test_application_token_is_one_for_all(self):
        self.provide(users=("ann", "bob"))
        self.gate.sections["oauth"][0].update(grant="client_credentials", client_secret_file=self.write_secret())
        self.gate.start()
        self.assertRegex(self.login("ann"), OK)
        self.assertRegex(self.login("bob"), OK)
        self.assertEqual(len(self.asked("client_credentials")), 1)
        self.assertEqual(self.asked("client_credentials")[0]["scope"], "mail offline")
        self.assertEqual([row[:2] for row in self.rows()], [("test", "")])
        self.gate.stop()

    def test_secret_in_the_header_of_each_request(self):
        """RFC 6749, 2.3.1: client_secret_basic, whose identifier and secret are encoded before they are joined."""
        pair = ("id:with space", "a:secret%&+/\u00e4")
        self.provide(server=OAuthServer(basic=pair, lifetime=30))
        self.gate.sections["oauth"][0].update(client_id=pair[0], client_secret_file=self.write_secret(pair[1]),
                                              client_auth="client_secret_basic")
        self.gate.write_config()
        self.log_in_by_device()
        self.log_in()
        self.gate.start()
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual({form["grant_type"].rpartition(":")[2] for path, form in self.server.asked if path == "/token"},
                         {"device_code", "authorization_code", "refresh_token"})
        for _, form in self.server.asked:
            self.assertEqual({"client_id", "client_secret"} & set(form), set())
        self.gate.sections["oauth"][0]["client_auth"] = "client_secret_post"
        self.gate.write_config()
        self.assertIn("invalid_client", self.popgate("oauth", "login", "ann", "--device", status=1))
        self.assertNotIn("Authorization", self.server.heads[-1])
        del self.gate.sections["oauth"][0]["client_secret_file"]
        self.gate.sections["oauth"][0]["client_auth"] = "client_secret_basic"
        self.gate.write_config()
        self.assertIn("client_secret_file is needed", self.popgate("check", status=3))
        self.gate.stop()

    def test_application_proves_itself_with_a_key(self):
        for how in ("PS256", "RS256"):
            with self.subTest(how=how):
                self.provide()
                certificate, key = self.server.authority.issue("client", rsa=True)
                self.gate.sections["oauth"][0].update(grant="client_credentials", certificate=certificate, key=key,
                                                      assertion=how)
                self.gate.start()
                self.assertRegex(self.login("ann"), OK)
                form = self.asked("client_credentials")[0]
                self.assertEqual(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                self.check_signature(form["client_assertion"], certificate, how)
                self.gate.stop()

    def check_signature(self, text, certificate, how):
        """By the openssl program."""
        folder = self.gate.path("jwt")
        os.makedirs(folder, exist_ok=True)
        signed, _, signature = text.rpartition(".")
        paths = {name: os.path.join(folder, name) for name in ("signed", "signature", "key")}
        for name, octets in (("signed", signed.encode()),
                             ("signature", base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))):
            with open(paths[name], "wb") as file:
                file.write(octets)
        public = subprocess.run(("openssl", "x509", "-in", certificate, "-noout", "-pubkey"), stdout=subprocess.PIPE, check=True)
        with open(paths["key"], "wb") as file:
            file.write(public.stdout)
        padding = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32") if how == "PS256" else ()
        subprocess.run(("openssl", "dgst", "-sha256", *padding, "-verify", paths["key"], "-signature", paths["signature"],
                        paths["signed"]), check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    tap.main()
