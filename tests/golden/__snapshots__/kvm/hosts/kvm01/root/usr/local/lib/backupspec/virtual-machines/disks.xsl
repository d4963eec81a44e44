<!-- Compiled by backupspec from hosts.kvm01; change the inventory, not this file. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text"/>
  <xsl:template match="/domain">
    <xsl:for-each select="devices/disk[not(@device) or @device='disk' or @device='lun']">
      <xsl:value-of select="target/@dev"/>
      <xsl:text>&#9;</xsl:text>
      <xsl:value-of select="@type"/>
      <xsl:text>&#9;</xsl:text>
      <xsl:choose>
        <xsl:when test="driver/@type"><xsl:value-of select="driver/@type"/></xsl:when>
        <xsl:otherwise>raw</xsl:otherwise>
      </xsl:choose>
      <xsl:text>&#9;</xsl:text>
      <xsl:value-of select="translate(source/@file | source/@dev | source/@name | source/@volume | source/@dir, '&#9;&#10;', '??')"/>
      <xsl:text>&#10;</xsl:text>
    </xsl:for-each>
  </xsl:template>
</xsl:stylesheet>
