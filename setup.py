from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="mxisd",
    version="0.1.0",
    description="A federated Matrix identity server",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    # Spelt out, since an editable install then puts this folder on the path, where twistd finds the plugin.
    package_dir={"": "."},
    packages=[*find_packages(include=["mxisd", "mxisd.*"]), "twisted.plugins"],
    package_data={"mxisd": ["py.typed", "**/*.sql", "**/*.html", "**/*.eml", "**/*.txt", "**/*.lua"]},
    zip_safe=False,
    install_requires=[
        "Twisted[tls]>=26.4",
        "treq>=25.5",
        "txredisapi==1.6.0",
        "hiredis>=3",
        "PyYAML>=6",
        "service-identity>=24",
        "msgspec>=0.20",
        "signedjson>=1.1",
        "canonicaljson>=2.0",
        "PyNaCl>=1.5",
        "phonenumbers>=9",
        "email-validator>=2.2",
        "cryptography>=45",
        "prometheus_client>=0.22",
        "google-re2>=1.1",
        "idna>=3.7",
    ],
    extras_require={
        "ldap": ["python-ldap>=3.4.4"],
        "postgresql": ["psycopg[binary]>=3.2"],
        "mysql": ["PyMySQL>=1.2"],
        "test": ["hypothesis>=6.100", "aiosmtpd>=1.4.6"],
        "dev": ["ruff==0.17.*", "mypy==2.4.*", "mypy-zope>=1.0", "types-PyYAML"],
    },
    entry_points={
        "console_scripts": [
            "mxisd-notify = mxisd.cli.notify:main",
            "mxisd-ldap = mxisd.cli.ldap:main",
            "mxisd-policy = mxisd.cli.policy:main",
            "mxisd-storage = mxisd.cli.storage:main",
        ]
    },
)
