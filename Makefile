# The front of the build: Meson and Ninja do the work.
#   make          builds build/sipward
#   make demo     real calls over mutual TLS, drawn; see README.md
#   make test     installs what is missing, builds and runs every test
#   make bench    measures; see bench/README.md
#   make install  PREFIX, DESTDIR

BUILD   ?= build
PREFIX  ?= /usr/local
PYTHON  ?= /usr/bin/python3
MESON   ?= meson

.PHONY: all demo test bench install clean deps

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) sipward

$(BUILD)/build.ninja: meson.build meson_options.txt
	@tools/deps.sh build
	@test -f $@ && $(MESON) setup --reconfigure $(BUILD) >/dev/null || \
	  $(MESON) setup $(BUILD) --buildtype=release -Db_lto=true -Ddebug=true --prefix=$(PREFIX)

demo:
	@tools/deps.sh build demo
	@$(MAKE) --no-print-directory all
	@$(PYTHON) demo/demo.py --binary $(BUILD)/sipward

test:
	@tools/deps.sh build test
	@$(PYTHON) tests/run.py

bench:
	@tools/deps.sh build bench
	@$(MAKE) --no-print-directory all
	@$(MESON) setup --reconfigure $(BUILD) >/dev/null
	@ninja -C $(BUILD) sipward-load sipward-bare libsipward-count-alloc.so bench/parse/sipward-parse
	@$(PYTHON) bench/bench.py --binary $(BUILD)/sipward

install: all
	@DESTDIR=$(DESTDIR) ninja -C $(BUILD) install

clean:
	rm -rf $(BUILD) build-*
