"""A private Postgres in a peer's scratch folder, which only listens on a socket there."""
import os
import pwd
import subprocess

from common import ROOT, Peer, wait_for

SETTINGS = {
    "listen_addresses": "''", "shared_buffers": "1GB", "effective_cache_size": "4GB", "work_mem": "64MB",
    "maintenance_work_mem": "512MB", "fsync": "off", "max_wal_size": "4GB", "jit": "off", "random_page_cost": "1.1",
    # eight connections share two cores: a parallel worker for one would take time from another
    "max_parallel_workers_per_gather": "0",
    # PostGraphile prepares its statements; the plan depends on how common the tags are
    "plan_cache_mode": "force_custom_plan",
}


class WithPostgres(Peer):
    def start_postgres(self):
        """Ready when this returns: user fleet, database postgres, the socket in self.work."""
        found = subprocess.check_output([os.path.join(ROOT, "tools", "postgres")], text=True, stderr=subprocess.DEVNULL).strip()
        self.programs = os.path.dirname(os.path.realpath(os.path.join(found, "postgres")))
        self.user = {}
        if os.getuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(self.work, entry.pw_uid, entry.pw_gid)
            self.user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        data = f"{self.work}/data"
        log = self.open_log("postgres.log")
        subprocess.run(
            [f"{self.programs}/initdb", "-D", data, "-U", "fleet", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            stdout=log, stderr=log, cwd=self.work, check=True, **self.user,
        )
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value.strip(chr(39))}")]
        self.spawn([f"{self.programs}/postgres", "-D", data, "-k", self.work] + settings, **self.user)
        wait_for(lambda: self.psql("select 1"), self)

    def psql(self, sql):
        command = [f"{self.programs}/psql", "-h", self.work, "-U", "fleet", "-d", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(command, input=sql, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr}")
        return done.stdout.strip()
