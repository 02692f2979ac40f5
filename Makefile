# make audit   set up, then audit this machine by the example inventory and write out/report.html
# make test    set up all that the tests need (as root: also Debian packages), then lint, types, contracts, all tests
# make docs    write the pages and schemas that are made from the baselines and the code anew
# make fuzz     push RUNS hostile inputs (1,000,000) into every reader of foreign bytes, by atheris
# make faults   run the tests that make faults happen, and write docs/faults.md from what became of them
# make sbom     write what the product is made of to out/sbom.cdx.json (CycloneDX)
# make audit-packages  ask PyPI for known flaws of what the product is made of (needs the network)
# make versions   hold the order of 1,000,000 pairs of versions against apt and librpm (two minutes)
# make lock    write requirements/dev.lock anew from pyproject.toml

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PACKAGES := python3-venv openssh-server openssh-client sudo nmap chromium iproute2 iptables busybox-static openssl gzip \
  mmdebstrap postgresql poppler-utils procps gcc libc6-dev libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 rabbitmq-server \
  nginx-light debsecan python3-apt rpm gpg dropbear-bin tinysshd tcsh fish locales
JOBS ?= 5

.PHONY: audit test lint types contracts pytest faults fuzz versions sbom audit-packages wheel packages docs lock clean

audit: $(STAMP)
	@mkdir -p out
	@$(BIN)/riskline scan --inventory inventory.example.yaml --register out/register.db --output out/report.html; \
	code=$$?; case $$code in 0|1|3) echo "The report is out/report.html"; exit 0;; *) exit $$code;; esac

test: packages $(STAMP) lint types contracts pytest

$(STAMP): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qy python3-venv; }
	$(PYTHON) -m venv $(VENV)
	@# The lock is whole: a resolver would only find newer releases that have no hash here.
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/pip check --disable-pip-version-check
	@touch $(STAMP)

packages:
	@missing=; for p in $(PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
	  else echo "These Debian packages are missing, and only root can install them:$$missing"; exit 1; fi; fi

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

pytest: $(STAMP)
	@# Hundreds of tests start a process of their own, also where the environment says that none may write bytecode.
	@$(BIN)/python -m compileall -q scanner checks reports tests
	$(BIN)/pytest -n $(JOBS) --dist worksteal

faults: $(STAMP)
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m fault --faults

fuzz: $(STAMP)
	$(BIN)/python -m fuzz --runs $(or $(RUNS),1000000)

sbom: $(STAMP)
	@mkdir -p out
	$(BIN)/python requirements/runtime.py >out/runtime.txt
	$(BIN)/cyclonedx-py requirements out/runtime.txt --pyproject pyproject.toml --output-reproducible --of JSON --validate -o out/sbom.cdx.json

audit-packages: $(STAMP)
	@mkdir -p out
	$(BIN)/python requirements/runtime.py >out/runtime.txt
	$(BIN)/pip-audit --require-hashes --disable-pip -r out/runtime.txt

versions: $(STAMP)
	$(BIN)/python benchmarks/version_orders.py

wheel: $(STAMP)
	$(BIN)/python -m build --no-isolation --outdir dist .

docs: $(STAMP)
	@mkdir -p docs/baselines
	@for file in baselines/*.yaml; do name=$$(basename $$file .yaml); \
	  $(BIN)/riskline baseline show $$name -f markdown >docs/baselines/$$name.md || exit 1; done
	@for name in baseline inventory policy; do $(BIN)/riskline schema $$name >docs/schema/$$name.schema.json || exit 1; done

lock:
	uv pip compile --quiet --generate-hashes --python-version 3.11 --group dev --extra pdf --extra postgresql --no-emit-index-url \
	  --custom-compile-command "make lock" pyproject.toml -o requirements/dev.lock

clean:
	rm -rf $(VENV) out dist build
