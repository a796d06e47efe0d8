"""The file that Streamlit runs, once for every interaction.

It has a folder of its own: Streamlit would take a folder `pages` beside it for pages to run by
themselves, until the first visitor has been through `st.navigation`.
"""

from dashboard.app import main

main()
